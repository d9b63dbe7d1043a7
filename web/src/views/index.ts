import type { Component } from 'svelte'
import type { View } from '../lib/route.svelte'
import Alerts from './Alerts.svelte'
import History from './History.svelte'
import Logs from './Logs.svelte'
import Overview from './Overview.svelte'
import Services from './Services.svelte'
import Why from './Why.svelte'

export const VIEWS: Record<View, Component> = {
  overview: Overview, services: Services, graph: Overview, ports: Overview, why: Why, history: History, logs: Logs,
  alerts: Alerts,
}
