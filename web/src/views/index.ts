import type { Component } from 'svelte'
import type { View } from '../lib/route.svelte'
import Alerts from './Alerts.svelte'
import Compare from './Compare.svelte'
import Endpoints from './Endpoints.svelte'
import Graph from './Graph.svelte'
import History from './History.svelte'
import Incidents from './Incidents.svelte'
import Logs from './Logs.svelte'
import Overview from './Overview.svelte'
import Patterns from './Patterns.svelte'
import Ports from './Ports.svelte'
import Services from './Services.svelte'
import Why from './Why.svelte'

export const VIEWS: Record<View, Component> = {
  overview: Overview, services: Services, graph: Graph, ports: Ports, why: Why, history: History, logs: Logs,
  alerts: Alerts, incidents: Incidents, compare: Compare,
  endpoints: Endpoints, patterns: Patterns,
}
