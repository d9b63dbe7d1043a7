// What the page knows: who asks, the line to the server, the latest events, and the state of the moment looked at.
import { untrack } from 'svelte'
import { Feed, type Line, type Told } from './feed'
import { route } from './route.svelte'
import type { Event, ProblemDocument, Status } from './types'

const KEPT = 2000
const QUIET_KINDS = /^port\.(opened|closed)$/
const REDRAW_MS = 250, BUSY_MS = 1000, BUSY_EVENTS = 50
const PAST_KEPT = 300

export class Refused extends Error {
  constructor(readonly problem: ProblemDocument) {
    super(problem.detail)
  }
}

class Live {
  token = $state<string | null>(sessionStorage.getItem('nexus-token'))
  role = $state<'read' | 'operate' | 'admin' | null>(null)
  ready = $state(false)
  refusal = $state('')
  line = $state.raw<Line>({ live: false, alive: true, seq: 0, retryAt: 0, heardAt: 0, missed: 0 })
  events = $state.raw<Event[]>([])
  /** Counts what may have changed a view, at most four times a second, and once where very much happens. */
  tick = $state(0)
  /** Counts every batch of events, quiet ones included. */
  beat = $state(0)
  status = $state.raw<Status | null>(null)
  now = $state(Date.now())
  rate = $state(0)
  #send: (message: unknown) => void = () => {}
  #timer: ReturnType<typeof setTimeout> | null = null
  #ticked = 0
  #past = new Map<string, unknown>()
  #counts: number[] = []
  #seen = 0

  async begin(): Promise<void> {
    setInterval(() => this.#second(), 1000)
    const code = new URLSearchParams(location.hash.slice(1)).get('code')
    if (code) {
      history.replaceState(null, '', location.pathname + location.search)
      await this.#redeem(code)
    }
    this.#connect()
    if (this.token) await this.enter(this.token)
    this.ready = true
  }

  async #redeem(code: string): Promise<void> {
    const answer = await fetch('/api/sessions', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ code }),
      credentials: 'omit',
    })
    const body = await answer.json()
    if (answer.ok) this.token = body.token
    else this.refusal = body.detail
  }

  /** Sign in with a token; whether it is good. */
  async enter(token: string): Promise<boolean> {
    try {
      const answer = await fetch('/api/session', { headers: { Authorization: `Bearer ${token}` }, credentials: 'omit' })
      if (answer.status === 401) {
        this.leave('That token is not valid (any more).')
        return false
      }
      if (answer.ok) this.role = (await answer.json()).role
    } catch {
      // The server does not answer: the line says so, and tries again.
    }
    this.token = token
    this.refusal = ''
    sessionStorage.setItem('nexus-token', token)
    this.#send({ type: 'token', token })
    return true
  }

  leave(reason: string): void {
    this.token = this.role = null
    this.status = null
    this.refusal = reason
    sessionStorage.removeItem('nexus-token')
    this.#send({ type: 'token', token: null })
  }

  #connect(): void {
    if (typeof SharedWorker === 'undefined') {
      const feed = new Feed((told) => this.#take(told))
      this.#send = (message) => feed.use((message as { token: string | null }).token)
      return
    }
    const worker = new SharedWorker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'nexus-feed' })
    worker.port.onmessage = ({ data }: MessageEvent<Told>) => this.#take(data)
    worker.port.start()
    this.#send = (message) => worker.port.postMessage(message)
    this.#send({ type: 'hello', token: this.token })
    addEventListener('pagehide', () => this.#send({ type: 'bye' }))
    addEventListener('pageshow', (event) => {
      if (event.persisted) this.#send({ type: 'hello', token: this.token })
    })
  }

  #take(told: Told): void {
    if (told.type === 'token') {
      if (told.token && !this.token) void this.enter(told.token)
    } else if (told.type === 'refused') {
      this.leave('That token is not valid (any more).')
    } else {
      const back = told.line.live && !this.line.live
      const changed = back || told.line.alive !== this.line.alive
      this.line = told.line
      if (told.type === 'events') this.#add(told.events)
      if (changed || (told.type === 'events' && told.events.some((it) => !QUIET_KINDS.test(it.kind)))) this.#soon()
      if (back && !this.role && this.token) void this.enter(this.token)
    }
  }

  #add(events: Event[]): void {
    const last = this.events.at(-1)?.seq ?? 0
    const fresh = events.filter((it) => it.seq > last)
    if (!fresh.length) return
    this.#seen += fresh.length
    this.events = [...this.events, ...fresh].slice(-KEPT)
    this.beat++
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      this.#ticked = Date.now()
      this.tick++
    }, Math.max(0, this.#ticked + (document.hidden || this.rate > BUSY_EVENTS ? BUSY_MS : REDRAW_MS) - Date.now()))
  }

  #second(): void {
    this.now = Date.now()
    this.#counts = [...this.#counts, this.#seen].slice(-6)
    const first = this.#counts[0] ?? 0
    this.rate = this.#counts.length > 1 ? Math.max(0, (this.#seen - first) / (this.#counts.length - 1)) : 0
  }

  /** An answer of the API; a past one never changes, so it is asked for once. */
  async get<T>(path: string, at: number | null = null): Promise<T> {
    const url = at === null ? path : `${path}${path.includes('?') ? '&' : '?'}at=${at}`
    if (at !== null && this.#past.has(url)) return this.#past.get(url) as T
    const body = await this.#ask<T>(url)
    if (at !== null) {
      this.#past.set(url, body)
      if (this.#past.size > PAST_KEPT) this.#past.delete(this.#past.keys().next().value as string)
    }
    return body
  }

  /** Ask for a change that has a body, or that takes something away. */
  send<T>(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }
    return this.#ask<T>(path, { method, ...json })
  }

  /** Let the browser save what the server answers. */
  async download(path: string, name: string): Promise<void> {
    const answer = await fetch(path, { headers: { Authorization: `Bearer ${this.token}` }, cache: 'no-store', credentials: 'omit' })
    if (!answer.ok) throw new Refused(await answer.json())
    const link = document.createElement('a')
    link.href = URL.createObjectURL(await answer.blob())
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  /** Send a command; under the same key it is carried out once. */
  post<T>(path: string): Promise<T> {
    return this.#ask<T>(path, { method: 'POST', headers: { 'Idempotency-Key': crypto.randomUUID() } })
  }

  async #ask<T>(url: string, options: RequestInit = {}): Promise<T> {
    const answer = await fetch(url, {
      ...options, headers: { Authorization: `Bearer ${this.token}`, ...options.headers }, cache: 'no-store',
      credentials: 'omit',
    })
    if (answer.status === 401) this.leave('That token is not valid (any more).')
    const body = await answer.json()
    if (!answer.ok) throw new Refused(body)
    return body as T
  }

  get canOperate(): boolean {
    return route.at === null && this.line.live && this.line.alive && (this.role === 'operate' || this.role === 'admin')
  }

  /** Why the controls are off, "" where they are on. */
  get locked(): string {
    if (route.at !== null) return 'Controls are off in the past'
    if (!this.line.live) return 'Controls are off while there is no connection'
    if (!this.line.alive) return 'Controls are off: no supervisor runs'
    if (this.role === 'read') return 'This token may only read'
    return ''
  }

  /** The moment that is looked at, in ms since 1970. */
  get moment(): number {
    return route.at !== null && this.status ? Date.parse(this.status.at) : this.now
  }
}

export const live = new Live()

/** What a question is answered with: kept up to date while the present is looked at. */
export class Answer<T> {
  value = $state.raw<T | null>(null)
  problem = $state<Error | null>(null)
  busy = $state(false)
  #last = ''
  #again = false

  constructor(path: () => string | null, { every = () => live.tick, past = true } = {}) {
    $effect(() => {
      const asked = path()
      const at = past ? route.at : null
      if (at === null) every()
      const token = live.token
      // What the question itself reads and sets is no reason to ask again.
      if (asked && token) untrack(() => void this.#ask(asked, at))
    })
  }

  async #ask(path: string, at: number | null): Promise<void> {
    const key = `${path} ${at}`
    const known = key === this.#last
    this.#last = key
    if (known && this.busy) {
      this.#again = true
      return
    }
    this.busy = true
    try {
      const value = await live.get<T>(path, at)
      if (this.#last !== key) return
      this.value = value
      this.problem = null
    } catch (error) {
      if (this.#last === key) this.problem = error instanceof TypeError ? null : (error as Error)
    } finally {
      if (this.#last === key) {
        this.busy = false
        if (this.#again) {
          this.#again = false
          void this.#ask(path, at)
        }
      }
    }
  }
}
