// Commands to the supervisor, each with its plan first: what else starts or stops with it.
import { ofService } from './health'
import { live } from './live.svelte'
import type { Graph } from './types'

export type Verb = 'start' | 'stop' | 'restart' | 'pause' | 'resume'

class Command {
  wanted = $state.raw<{ verb: Verb; names: string[] } | null>(null)
  told = $state('')
  failed = $state(false)

  plan(verb: Verb, ...names: string[]): void {
    this.told = ''
    this.failed = false
    this.wanted = { verb, names }
  }

  async run(): Promise<void> {
    const wanted = this.wanted
    if (!wanted) return
    this.wanted = null
    const told: string[] = []
    for (const name of wanted.names) {
      try {
        const { seq } = await live.post<{ seq: number }>(`/api/services/${name}/${wanted.verb}`)
        told.push(`${wanted.verb} ${name}: recorded as event ${seq}`)
      } catch (error) {
        this.failed = true
        told.push(`${wanted.verb} ${name}: ${(error as Error).message}`)
      }
    }
    this.told = told.join('; ')
  }
}

export const command = new Command()

export interface Step { name: string; what: string }

/** Everything that needs `names`, or with `down` everything that they need, in the order in which it happens. */
export function reach(graph: Graph, names: string[], down: boolean): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const add = (name: string) => {
    for (const edge of graph.edges) {
      const [from, other] = down ? [edge.service, edge.needs] : [edge.needs, edge.service]
      if (from !== name || names.includes(other)) continue
      const because = found.get(other)
      if (because) {
        if (!because.includes(name)) because.push(name)
      } else {
        found.set(other, [name])
        add(other)
      }
    }
  }
  names.forEach(add)
  const order = graph.nodes.map((it) => it.name).filter((it) => found.has(it))
  if (!down) order.reverse()
  return new Map(order.map((it) => [it, found.get(it) ?? []]))
}

/** What a command does, step by step, as the policies carry it out. */
export function steps(graph: Graph, verb: Verb, names: string[]): Step[] {
  const services = live.status?.services ?? {}
  const runs = (name: string) => services[name]?.wanted && ['ok', 'run', 'warn', 'stale', 'wait', 'bad'].includes(ofService(services[name]).shape)
  if (verb === 'stop') {
    const above = [...reach(graph, names, false)].filter(([name]) => runs(name))
    return [
      ...above.map(([name, needs]) => ({ name, what: `stops first, it needs ${needs.join(' and ')}` })),
      ...names.map((name) => ({ name, what: 'stops, and stays down until it is started' })),
    ]
  }
  if (verb === 'start') {
    const below = [...reach(graph, names, true)].filter(([name]) => !runs(name))
    return [
      ...below.map(([name, needs]) => ({ name, what: `starts first, ${needs.join(' and ')} needs it` })),
      ...names.map((name) => ({ name, what: 'starts once everything it needs is there' })),
    ]
  }
  if (verb === 'pause') return names.map((name) => ({ name, what: 'stands still with everything it started, and is not checked meanwhile' }))
  if (verb === 'resume') return names.map((name) => ({ name, what: 'goes on where it stood still' }))
  return names.flatMap((name) => {
    const instances = services[name]?.instances ?? []
    return instances.map((it) => ({ name: it.name, what: it.pid ? `pid ${it.pid} is asked to end, a new run takes its place` : 'is started anew' }))
  })
}
