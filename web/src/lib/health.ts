// How well a service is: a shape first, a colour second, a word third.
import type { Instance, Service, Status } from './types'

export type Shape = 'ok' | 'run' | 'warn' | 'bad' | 'stale' | 'off' | 'done' | 'wait'

export interface Verdict { shape: Shape; word: string }

const ORDER: Shape[] = ['bad', 'warn', 'stale', 'wait', 'run', 'ok', 'off', 'done']

export const WORDS: Record<Shape, string> = {
  ok: 'healthy', run: 'running', warn: 'degraded', bad: 'broken', stale: 'stale', off: 'stopped', done: 'completed',
  wait: 'starting',
}

export function verdict(it: Pick<Service | Instance, 'state' | 'health'>, problem: string): Verdict {
  if (it.state === 'failed') return { shape: 'bad', word: 'failed' }
  if (it.state === 'waiting' && problem) return { shape: 'bad', word: 'failed, will be tried again' }
  if (it.state === 'waiting') return { shape: 'wait', word: 'waiting' }
  if (it.state === 'starting') return { shape: 'wait', word: problem ? 'starting again' : 'starting' }
  if (it.state === 'stopping') return { shape: 'wait', word: 'stopping' }
  if (it.state === 'completed') return { shape: 'done', word: 'completed' }
  if (it.state !== 'running') return { shape: 'off', word: it.state === 'declared' ? 'not started' : it.state }
  if (it.health === 'healthy') return { shape: 'ok', word: 'healthy' }
  if (it.health === 'degraded') return { shape: 'warn', word: 'degraded' }
  if (it.health === 'unhealthy') return { shape: 'bad', word: 'unhealthy' }
  if (it.health === 'stale') return { shape: 'stale', word: 'stale' }
  return { shape: 'run', word: 'running, not checked' }
}

export function ofInstance(it: Instance): Verdict {
  return verdict(it, it.problem)
}

/** A service is as well as its worst instance. */
export function ofService(it: Service): Verdict {
  const all = it.instances.map(ofInstance)
  const worst = all.reduce<Verdict | null>((best, one) => (!best || rank(one) < rank(best) ? one : best), null)
  return worst ?? verdict(it, '')
}

export function rank(it: Verdict): number {
  return ORDER.indexOf(it.shape)
}

export interface Named { name: string; service: Service; verdict: Verdict }

export function worstFirst(status: Status | null): Named[] {
  const all = Object.entries(status?.services ?? {}).map(([name, service]) => ({ name, service, verdict: ofService(service) }))
  return all.sort((a, b) => rank(a.verdict) - rank(b.verdict))
}

export function since(service: Service): string | null {
  return service.instances.map((it) => it.since).filter((it) => it !== null).sort().at(-1) ?? null
}

export function ports(service: Service): number[] {
  return service.instances.flatMap((it) => Object.values(it.ports))
}

export function counts(all: Named[]): { shape: Shape; word: string; count: number }[] {
  const words: [Shape, string][] = [['ok', 'healthy'], ['run', 'running'], ['warn', 'degraded'], ['bad', 'broken'],
    ['stale', 'stale'], ['wait', 'starting'], ['off', 'stopped'], ['done', 'completed']]
  return words
    .map(([shape, word]) => ({ shape, word, count: all.filter((it) => it.verdict.shape === shape).length }))
    .filter((it) => it.count || it.shape === 'bad' || (it.shape === 'ok' && all.length))
}

/** What needs somebody's eyes. */
export function needsWatching(it: Named): boolean {
  return ['bad', 'warn', 'stale'].includes(it.verdict.shape)
}
