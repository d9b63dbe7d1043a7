// The one time cursor: which stretch is shown, and the ways to another moment.
import { live } from './live.svelte'
import { route } from './route.svelte'
import type { EventsPage } from './types'

export const WINDOWS: [string, number | null][] = [['5 min', 300], ['15 min', 900], ['1 h', 3600], ['6 h', 21_600], ['24 h', 86_400], ['All', null]]

/** What makes up a service's story: the kinds of events that change what it is. */
export const STORY = 'run,probe,start,stop,kill,restart,service'

class Time {
  seconds = $state<number | null>(900)
  playing = $state(0)
  /** The moment under the pointer, in ms since 1970, shared by all charts of a view. */
  hover = $state<number | null>(null)
}

export const time = new Time()

/** The last event, also before the feed has told of it. */
function present(): number {
  return live.line.seq || live.status?.seq || 0
}

/** One event back or on; past the last one is the present. */
export function step(by: number): void {
  const at = route.at ?? present()
  const to = at + by
  if (to >= (live.line.seq || Infinity) && by > 0) route.moment(null, true)
  else if (to >= 1) route.moment(to, true)
}

/** The previous or next change of a service (or of anything that is not a port) from where we are. */
export async function change(by: -1 | 1, service = '', kind = STORY): Promise<void> {
  const at = route.at ?? present() + 1
  const place = by < 0 ? `before=${at}&newest_first=true` : `after=${at}`
  const about = service ? `&service=${service}` : ''
  const page = await live.get<EventsPage>(`/api/events?${place}&limit=1&kind=${kind}${about}`)
  const found = page.events[0]
  if (found) route.moment(found.seq, true)
  else if (by > 0) route.moment(null, true)
}

/** To what was known at a moment, in ms since 1970. */
export async function goTo(moment: number): Promise<void> {
  const { seq } = await live.get<{ seq: number }>(`/api/status?at=${encodeURIComponent(new Date(moment).toISOString())}`)
  if (seq >= live.line.seq) route.moment(null)
  else route.moment(Math.max(1, seq))
}

/** What went wrong: where incidents begin. */
export const TROUBLE = 'run.exited,run.refused,service.given_up,alert.raised'
