import type { Component } from 'svelte'
import type { View } from '../lib/route.svelte'
import Overview from './Overview.svelte'

export const VIEWS: Record<View, Component> = {
  overview: Overview, services: Overview, graph: Overview, ports: Overview, why: Overview, history: Overview,
  logs: Overview, alerts: Overview,
}
