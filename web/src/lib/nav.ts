import type { View } from './route.svelte'

export interface Entry { view: View; title: string; key: string }

export const NAVIGATION: { title: string; entries: Entry[] }[] = [
  { title: 'State', entries: [
    { view: 'overview', title: 'Overview', key: 'o' },
    { view: 'services', title: 'Services', key: 's' },
    { view: 'graph', title: 'Graph', key: 'g' },
    { view: 'ports', title: 'Ports', key: 'p' },
    { view: 'endpoints', title: 'Endpoints', key: 'n' },
  ] },
  { title: 'Why', entries: [
    { view: 'why', title: 'Decisions', key: 'd' },
    { view: 'history', title: 'Events', key: 'e' },
    { view: 'logs', title: 'Logs', key: 'l' },
    { view: 'alerts', title: 'Alerts', key: 'a' },
    { view: 'incidents', title: 'Incidents', key: 'i' },
    { view: 'compare', title: 'Compare', key: 'c' },
  ] },
  { title: 'Next', entries: [{ view: 'patterns', title: 'Patterns', key: 't' }] },
]
export const ENTRIES = NAVIGATION.flatMap((it) => it.entries)
