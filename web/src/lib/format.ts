// Moments, spans and numbers as people read them.
const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const SHORT = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const DAY = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' })
const NUMBER = new Intl.NumberFormat('en-US')

export function ms(at: string | number): number {
  return typeof at === 'number' ? at : Date.parse(at)
}

export function clock(at: string | number | null): string {
  return at === null ? '–' : CLOCK.format(ms(at))
}

export function exact(at: string | number): string {
  return `${CLOCK.format(ms(at))}.${String(Math.floor(ms(at)) % 1000).padStart(3, '0')}`
}

export function hours(at: string | number): string {
  return SHORT.format(ms(at))
}

export function day(at: string | number): string {
  return DAY.format(ms(at))
}

/** The clock, and the day where it is not today. */
export function when(at: string | number, now: number): string {
  return day(at) === day(now) ? clock(at) : `${day(at)} ${hours(at)}`
}

/** 1.8 s, 48 s, 4 min 36 s, 5 h 12 min, 3 d 4 h. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  if (seconds < 59.5) return `${Math.round(seconds)} s`
  const whole = Math.round(seconds)
  const parts: [number, string][] = [[86_400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]
  const first = parts.findIndex(([size]) => whole >= size)
  const [size, unit] = parts[first] as [number, string]
  const [smaller, below] = (parts[first + 1] ?? [1, 's']) as [number, string]
  const rest = Math.floor((whole % size) / smaller)
  return `${Math.floor(whole / size)} ${unit}${rest ? ` ${rest} ${below}` : ''}`
}

/** The same without a flicker of tenths: for ages that count up on the page. */
export function age(milliseconds: number): string {
  return milliseconds < 1000 ? 'now' : span(Math.floor(milliseconds / 1000) * 1000).replace(/\.0 s$/, ' s')
}

export function number(value: number): string {
  return NUMBER.format(value)
}

const SMALL = ['No', 'One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine', 'Ten', 'Eleven', 'Twelve']

/** "Two services", "One service", "14 services". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${SMALL[count] ?? number(count)} ${count === 1 ? one : many}`
}

export function listed(names: string[]): string {
  if (names.length < 2) return names.join('')
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

export function sentence(text: string): string {
  // Names stay as they are declared: `web.1 started`.
  if (/^\S*[.\d/]/.test(text)) return text
  return text.replace(/^(tcp|udp)\b/, (it) => it.toUpperCase()).replace(/^./, (it) => it.toUpperCase())
}

export function value(it: unknown): string {
  if (it === true) return 'yes'
  if (it === false) return 'no'
  if (it === null || it === undefined) return 'none'
  return String(it)
}

/** 418 MB, 1.1 GB. */
export function bytes(value: number): string {
  if (value < 999.5e3) return `${Math.round(value / 1e3)} kB`
  if (value < 999.5e6) return `${value < 9.95e6 ? (value / 1e6).toFixed(1) : Math.round(value / 1e6)} MB`
  return `${(value / 1e9).toFixed(1)} GB`
}

/** A share of one core: 41 %, 0.3 %, 210 %. */
export function cores(value: number): string {
  const percent = value * 100
  return `${percent < 9.95 ? Number(percent.toFixed(1)) : Math.round(percent)} %`
}
