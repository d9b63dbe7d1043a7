// What the events of a stretch say about how services were: strips of health, and the incidents among them.
import type { Event } from './types'

export type Mark = 'ok' | 'warn' | 'bad' | 'off' | 'wait'
export interface Piece { from: number; to: number; mark: Mark; seq: number; kind: string }
export interface Incident { service: string; from: number; to: number; seq: number; open: boolean; word: string }

/** What a service is after an event; null where the event changes nothing. */
function after(event: Event, asked: boolean): Mark | null {
  switch (event.kind) {
    case 'start.decided': case 'run.started': return 'wait'
    case 'probe.passed': case 'run.adopted': return 'ok'
    case 'probe.failed': return Number(event.data.failures) >= Number(event.data.limit ?? 3) ? 'bad' : 'warn'
    case 'run.exited': return asked ? 'off' : event.data.exit_code === 0 ? 'off' : 'bad'
    case 'restart.scheduled': case 'run.refused': case 'service.given_up': return 'bad'
    default: return null
  }
}

/** What it must have been before the first event that is known of it. */
function before(event: Event): Mark {
  if (event.kind === 'start.decided' || event.kind === 'run.started') return 'off'
  if (event.kind === 'restart.scheduled' || event.kind === 'service.given_up') return 'bad'
  return event.kind === 'probe.passed' ? 'wait' : 'ok'
}

export function byService(events: Event[]): Map<string, Event[]> {
  const found = new Map<string, Event[]>()
  for (const event of [...events].sort((a, b) => a.seq - b.seq)) {
    const [sort, name = ''] = event.stream.split('/')
    if (sort !== 'service' || name === 'nexus-api') continue
    const list = found.get(name)
    if (list) list.push(event)
    else found.set(name, [event])
  }
  return found
}

const WORST: Mark[] = ['bad', 'warn', 'wait', 'ok', 'off']

/** The story of one service from `from` to `to`: it is as well as its worst instance. */
export function pieces(events: Event[], from: number, to: number): Piece[] {
  const instances = new Map<string, { mark: Mark; asked: boolean }>()
  const nameOf = (event: Event) => String(event.data.instance ?? '')
  for (const event of events) if (nameOf(event) && !instances.has(nameOf(event))) instances.set(nameOf(event), { mark: before(event), asked: false })
  const worst = () => WORST.find((mark) => [...instances.values()].some((it) => it.mark === mark)) ?? 'off'
  const checked = events.some((it) => it.kind.startsWith('probe.'))
  const found: Piece[] = [{ from, to, mark: worst(), seq: events[0]?.seq ?? 0, kind: '' }]
  for (const event of events) {
    const one = instances.get(nameOf(event))
    if (!one) continue
    if (event.kind === 'stop.decided') one.asked = !event.data.failure
    let mark = after(event, one.asked)
    if (event.kind === 'start.decided') one.asked = false
    // Before its first good answer nothing was lost by a bad one.
    if (event.kind === 'probe.failed' && one.mark !== 'ok' && one.mark !== 'warn') continue
    if (event.kind === 'run.started' && !checked) mark = 'ok'
    // What failed stays so until it is well again, whatever is tried meanwhile.
    if (!mark || (one.mark === 'bad' && (mark === 'wait' || mark === 'warn'))) continue
    one.mark = mark
    const last = found[found.length - 1]
    if (!last || last.mark === worst()) continue
    last.to = Date.parse(event.at)
    found.push({ from: last.to, to, mark: worst(), seq: event.seq, kind: event.kind })
  }
  return found
}

export function incidents(events: Event[], until: number): Incident[] {
  const found: Incident[] = []
  for (const [service, list] of byService(events)) {
    for (const piece of pieces(list, Date.parse(list[0]?.at ?? ''), until)) {
      if (piece.mark === 'bad') found.push({ service, from: piece.from, to: piece.to, seq: piece.seq, open: piece.to === until, word: piece.kind === 'probe.failed' ? 'unhealthy' : 'down' })
    }
  }
  return found.sort((a, b) => a.from - b.from)
}

export interface Trouble { services: string[]; from: number; to: number; first: number; last: number; open: boolean }

/** Incidents that overlap are one trouble: a dependency that is lost takes others with it. */
export function troubles(events: Event[], until: number): Trouble[] {
  const found: Trouble[] = []
  for (const it of incidents(events, until)) {
    const last = found.at(-1)
    if (last && it.from <= last.to) {
      if (!last.services.includes(it.service)) last.services.push(it.service)
      last.to = Math.max(last.to, it.to)
      last.open ||= it.open
      last.first = Math.min(last.first, it.seq)
    } else found.push({ services: [it.service], from: it.from, to: it.to, first: it.seq, last: it.seq, open: it.open })
  }
  for (const it of found) it.last = Math.max(it.last, ...events.filter((event) => Date.parse(event.at) <= it.to).map((event) => event.seq))
  return found.reverse()
}
