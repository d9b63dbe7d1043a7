// The shape beside an event: what it says about the world.
import type { Shape } from './health'

export function shapeOf(kind: string, data: Record<string, unknown> = {}): Shape {
  switch (kind) {
    case 'run.exited': return data.exit_code === 0 ? 'off' : 'bad'
    case 'service.given_up': case 'run.refused': case 'log.damaged': case 'log.full': return 'bad'
    case 'probe.failed': case 'port.refused': case 'alert.raised': case 'log.slow': case 'clock.stepped': return 'warn'
    case 'probe.passed': case 'run.adopted': return 'ok'
    case 'start.decided': case 'run.started': case 'restart.scheduled': return 'wait'
    case 'stop.decided': case 'kill.decided': case 'run.abandoned': case 'supervisor.stopped': return 'off'
    case 'alert.resolved': case 'shutdown.completed': return 'done'
    default: return 'run'
  }
}

export const MEANING: Record<Shape, string> = {
  ok: 'good', run: 'note', warn: 'warning', bad: 'failure', stale: 'unknown', off: 'end', done: 'over', wait: 'begin',
}

export function isDecision(kind: string): boolean {
  return /\.(decided|scheduled|given_up|chosen|released|raised|resolved)$/.test(kind) || kind === 'shutdown.completed'
}

/** How a decision went, from its rule and the event that it led to. */
export function outcomeOf(rule: string, outcome: number | null): { shape: Shape; word: string } {
  if (rule === 'alerts.over') return { shape: 'done', word: 'over' }
  if (rule.startsWith('alerts.')) return { shape: 'warn', word: 'told' }
  if (rule === 'restart.given_up') return { shape: 'bad', word: 'stays down until started' }
  return outcome ? { shape: 'ok', word: 'carried out' } : { shape: 'wait', word: 'no outcome yet' }
}
