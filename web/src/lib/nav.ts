import type { View } from './route.svelte'

export interface Entry { view: View; title: string; key: string }

export const NAVIGATION: { title: string; entries: Entry[] }[] = [
  { title: 'State', entries: [
    { view: 'overview', title: 'Overview', key: 'o' },
  ] },
]
export const ENTRIES = NAVIGATION.flatMap((it) => it.entries)
