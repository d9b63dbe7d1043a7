// The address is the state: the view, what it is about, and the moment are all in it.
export const VIEWS = ['overview', 'services', 'graph', 'ports', 'why', 'history', 'logs', 'alerts', 'incidents', 'compare', 'endpoints', 'patterns'] as const
export type View = (typeof VIEWS)[number]

class Route {
  view = $state<View>('overview')
  name = $state('')
  query = $state.raw(new URLSearchParams())

  constructor() {
    this.read()
    addEventListener('popstate', () => this.read())
    addEventListener('click', (event) => this.#follow(event))
  }

  /** The position that is looked at, null for the present. */
  get at(): number | null {
    const text = this.query.get('at') ?? ''
    return /^\d+$/.test(text) ? Number(text) : null
  }

  read(): void {
    const [view = '', name = ''] = location.pathname.slice(1).split('/')
    this.view = (VIEWS as readonly string[]).includes(view) ? (view as View) : 'overview'
    this.name = decodeURIComponent(name)
    this.query = new URLSearchParams(location.search)
  }

  go(url: string, replace = false): void {
    history[replace ? 'replaceState' : 'pushState'](null, '', url)
    this.read()
  }

  /** The address of the same view with other values in its query; null takes one out. */
  with(changes: Record<string, string | number | null>): string {
    const query = new URLSearchParams(this.query)
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === '') query.delete(key)
      else query.set(key, String(value))
    }
    return location.pathname + (query.size ? `?${query}` : '')
  }

  moment(at: number | null, replace = false): void {
    this.go(this.with({ at }), replace)
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element).closest?.('a')
    if (!link || link.target || link.origin !== location.origin || link.hasAttribute('download')) return
    const [, first = ''] = link.pathname.split('/')
    if (first && !(VIEWS as readonly string[]).includes(first)) return
    event.preventDefault()
    this.go(link.pathname + link.search)
    document.getElementById('main')?.focus({ preventScroll: true })
  }
}

export const route = new Route()

/** The address of a view at the moment that is looked at. */
export function to(view: View, name: string | number = '', more: Record<string, string | number | null> = {}): string {
  const query = new URLSearchParams()
  const all: Record<string, string | number | null> = { at: route.at, ...more }
  for (const [key, value] of Object.entries(all)) if (value !== null && value !== '') query.set(key, String(value))
  const path = view === 'overview' ? '/' : `/${view}${name === '' ? '' : `/${encodeURIComponent(name)}`}`
  return path + (query.size ? `?${query}` : '')
}
