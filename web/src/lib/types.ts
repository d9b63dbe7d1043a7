// The JSON forms of the web API, as far as the page reads them: /api/openapi.json is their home.
export type Health = 'unhealthy' | 'degraded' | 'stale' | 'unknown' | 'healthy'
export type State =
  | 'failed' | 'stopping' | 'starting' | 'waiting' | 'running' | 'paused' | 'completed' | 'stopped' | 'declared'

export interface Instance {
  name: string
  state: State
  health: Health
  pid: number | null
  ports: Record<string, number>
  restarts: number
  started_at: string | null
  ready_at: string | null
  since: string | null
  wanted: boolean
  run: number | null
  failures: number
  waits_for: string
  problem: string
  health_detail: string
}

export interface Service {
  state: State
  health: Health
  category: string
  depends_on: string[]
  instances: Instance[]
  wanted: boolean
  why: string
}

export interface Status {
  seq: number
  at: string
  url: string | null
  supervisor: { pid: number; version: string; started_at: string; alive: boolean } | null
  services: Record<string, Service>
  project: string
  alerts: number
}

export interface Event {
  seq: number
  id: string
  at: string
  kind: string
  stream: string
  cause: number | null
  correlation: number
  actor: string | null
  data: Record<string, unknown>
  summary: string
}

export interface EventsPage { seq: number; at: string; events: Event[]; next: number | null }

export interface Rejected { option: string; reason: string }

export interface Decision {
  id: number
  at: string
  rule: string
  subject: string
  summary: string
  cause: number | null
  outcome: number | null
  values: Record<string, string | number | boolean | null>
  rejected: Rejected[]
}

export interface DecisionsPage { seq: number; at: string; decisions: Decision[]; next: number | null }

export interface Tree {
  id: number
  at: string
  kind: string
  sort: 'observation' | 'decision'
  summary: string
  rule: string | null
  children: Tree[]
  more: boolean
}

export interface Explanation {
  id: number
  at: string
  kind: string
  subject: string
  summary: string
  rule: string | null
  rule_in_words: string
  values: Record<string, string | number | boolean | null>
  rejected: Rejected[]
  causes: Tree[]
  outcome: Tree[]
  root: number
}

export interface Timeline {
  seq: number
  at: string
  began: string
  since: string
  until: string
  positions: number[]
}

export interface Owner {
  pid: number | null
  command: string | null
  user: string | null
  service: string | null
  instance: string | null
}

export interface Port {
  port: number
  protocol: string
  state: string
  addresses: string[]
  owners: Owner[]
  since: string
  lease: string | null
}

export interface PortsView { seq: number; at: string; ports: Port[] }

export interface Lease {
  name: string
  port: number
  holder: string
  expires_at: string | null
  state: string
  since: string
}

export interface LeasesView { seq: number; at: string; leases: Lease[] }

export interface Alert {
  key: string
  severity: 'info' | 'warning' | 'critical'
  subject: string
  message: string
  advice: string
  since: string
  decision: number
}

export interface AlertsView { seq: number; at: string; alerts: Alert[] }

export interface Incident {
  name: string
  first: number
  last: number
  began_at: string
  ended_at: string
  marked_at: string
  marked_by: string
}

export interface IncidentsView { seq: number; at: string; incidents: Incident[] }

export interface Graph {
  seq: number
  at: string
  nodes: { name: string; state: State; health: Health; category: string }[]
  edges: { service: string; needs: string; condition: string; met: boolean }[]
}

export interface LogPart {
  service: string
  instance: string
  start: number
  end: number
  size: number
  lines: string[]
}

export interface InstanceUsage {
  minute: { cpu_mean: number; cpu_max: number; memory_mean_bytes: number; memory_max_bytes: number } | null
  now: { cpu: number | null; memory_bytes: number | null } | null
}

export interface ResourcesView { seq: number; at: string; services: Record<string, Record<string, InstanceUsage>> }

export interface Figures { min: (number | null)[]; mean: (number | null)[]; max: (number | null)[] }

export interface Series {
  service: string
  since: string
  until: string
  seconds: number
  moments: string[]
  instances: Record<string, Record<string, Figures>>
  problems: string[]
}

export interface RouteUse { count: number; errors: number; p50_ms: number; p95_ms: number; p99_ms: number; callers: Record<string, number> }

export interface Endpoint {
  service: string
  method: string
  path: string
  source: string
  health: 'unknown' | 'healthy' | 'failing'
  usage: RouteUse | null
  name: string
  summary: string
  since: string
}

export interface RouteOf { service: string; method: string; path: string }

export interface RouteConflict {
  kind: 'duplicate' | 'shadow' | 'ambiguous' | 'trailing slash' | 'prefix'
  first: RouteOf
  second: RouteOf
  witness: string
}

export interface EndpointsView {
  seq: number
  at: string
  gateway: { url: string } | null
  endpoints: Endpoint[]
  documents: { service: string; path: string; problem: string | null }[]
  conflicts: RouteConflict[]
}

export interface Pattern {
  pattern: string
  who: string
  ports: number[]
  starts: number
  last: string | null
  way: string
  does: string
  rules: { rule: string; when: string; hits: number; of: number; sure: number; acts: boolean; next: string }[]
  ways: Record<string, number>
  ready_seconds: number
  days: { day: string; quarters: number[]; starts: number[] }[]
}

export interface PatternsView { seq: number; at: string; zone: string; patterns: Pattern[] }

export interface Prediction {
  pattern: string
  who: string
  opens: string
  closes: string
  holds_from: string
  way: string
  why: string
  sure: number | null
  ports: number[]
  held: number[]
}

export interface PredictionsView { seq: number; at: string; predictions: Prediction[] }

export interface ProblemDocument {
  status: number
  thing: string
  expected: string
  found: string
  next_step: string
  detail: string
}
