// What is different between two moments: services, ports, leases and alerts, each change in words.
import { ofInstance } from './health'
import type { Shape } from './health'
import type { AlertsView, Instance, LeasesView, Port, PortsView, Status } from './types'

export interface Moment { status: Status; ports: PortsView; leases: LeasesView; alerts: AlertsView }
export interface Change { what: string; of: string; before: string; after: string; shape: Shape }

export function difference(a: Moment, b: Moment): Change[] {
  return [...services(a.status, b.status), ...ports(a.ports, b.ports), ...leases(a.leases, b.leases), ...alerts(a.alerts, b.alerts)]
}

function services(a: Status, b: Status): Change[] {
  const all = (it: Status) => new Map(Object.values(it.services).flatMap((one) => one.instances).map((one) => [one.name, one]))
  const [before, after] = [all(a), all(b)]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [was, is] = [before.get(name), after.get(name)]
    const [old, now] = [was ? told(was) : 'not there', is ? told(is) : 'not there']
    return old === now ? [] : [{ what: 'instance', of: name, before: old, after: now, shape: is ? ofInstance(is).shape : 'off' as Shape }]
  })
}

function told(it: Instance): string {
  const ports = Object.values(it.ports).join(', ')
  const parts = [ofInstance(it).word, it.pid ? `pid ${it.pid}` : '', ports ? `port ${ports}` : '', it.restarts ? `${it.restarts} restarts` : '']
  return parts.filter(Boolean).join(' · ')
}

function ports(a: PortsView, b: PortsView): Change[] {
  const key = (it: Port) => `${it.port}/${it.protocol}`
  const owner = (it: Port | undefined) => it ? it.owners.map((one) => `${one.instance ?? one.command ?? 'a process'}${one.pid ? ` (pid ${one.pid})` : ''}`).join(', ') || it.state : 'free'
  const [before, after] = [new Map(a.ports.map((it) => [key(it), it])), new Map(b.ports.map((it) => [key(it), it]))]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, now] = [owner(before.get(name)), owner(after.get(name))]
    return old === now ? [] : [{ what: 'port', of: name.replace('/tcp', ''), before: old, after: now, shape: (after.has(name) ? 'run' : 'off') as Shape }]
  })
}

function leases(a: LeasesView, b: LeasesView): Change[] {
  const [before, after] = [new Map(a.leases.map((it) => [it.name, it])), new Map(b.leases.map((it) => [it.name, it]))]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, now] = [before.get(name)?.port, after.get(name)?.port]
    return old === now ? [] : [{ what: 'lease', of: name, before: old ? `port ${old}` : 'none', after: now ? `port ${now}` : 'none', shape: 'run' as Shape }]
  })
}

function alerts(a: AlertsView, b: AlertsView): Change[] {
  const [before, after] = [new Map(a.alerts.map((it) => [it.key, it])), new Map(b.alerts.map((it) => [it.key, it]))]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [old, now] = [before.get(key), after.get(key)]
    if (old && now) return []
    return [{ what: 'alert', of: (old ?? now)?.message ?? key, before: old ? 'open' : 'not raised', after: now ? 'open' : 'over', shape: (now ? 'warn' : 'done') as Shape }]
  })
}
