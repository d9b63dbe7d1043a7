// What every service uses at the moment that is looked at.
import { bytes, cores } from './format'
import { Answer, live } from './live.svelte'
import type { ResourcesView } from './types'

export class Usage {
  answer = new Answer<ResourcesView>(() => '/api/resources', { every: () => Math.floor(live.now / 2000) })

  #sum(name: string, of: (it: ResourcesView['services'][string][string]) => number | null | undefined): number | null {
    const found = Object.values(this.answer.value?.services[name] ?? {}).map(of).filter((it) => it !== null && it !== undefined)
    return found.length ? found.reduce((sum, it) => sum + it, 0) : null
  }
  cpu(name: string): string {
    const found = this.#sum(name, (it) => it.now?.cpu ?? it.minute?.cpu_mean)
    return found === null ? '–' : cores(found)
  }
  memory(name: string): string {
    const found = this.#sum(name, (it) => it.now?.memory_bytes ?? it.minute?.memory_mean_bytes)
    return found === null ? '–' : bytes(found)
  }
}
