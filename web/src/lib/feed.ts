// The live feed: one stream of events for all tabs, resumed where it broke off. It runs in the SharedWorker, or in the
// page itself where there are no SharedWorkers.
import type { Event } from './types'

export interface Line {
  live: boolean
  alive: boolean
  seq: number
  retryAt: number
  heardAt: number
  missed: number
}

export type Told =
  | { type: 'events'; events: Event[]; line: Line }
  | { type: 'line'; line: Line }
  | { type: 'token'; token: string | null }
  | { type: 'refused' }

const KEPT = 1000
const BATCH_MS = 100
const SILENCE_MS = 15_000
const RETRY_MS = 500

export class Feed {
  token: string | null = null
  recent: Event[] = []
  line: Line = { live: false, alive: true, seq: 0, retryAt: 0, heardAt: 0, missed: 0 }
  #tell: (told: Told) => void
  #running = false
  #batch: Event[] = []
  #flushed = 0
  #timer: ReturnType<typeof setTimeout> | null = null
  #stop: AbortController | null = null

  constructor(tell: (told: Told) => void) {
    this.#tell = tell
  }

  use(token: string | null): void {
    if (token === this.token) return
    this.token = token
    this.#stop?.abort()
    if (!token) this.#told({ live: false })
    else if (!this.#running) void this.#run()
  }

  #told(change: Partial<Line>): void {
    this.line = { ...this.line, ...change }
    this.#tell({ type: 'line', line: this.line })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.token) {
      try {
        await this.#once(this.token)
      } catch {
        // A line that broke: try again below.
      }
      if (!this.token) break
      this.#told({ live: false, retryAt: Date.now() + RETRY_MS })
      await new Promise((done) => setTimeout(done, RETRY_MS))
    }
    this.#running = false
  }

  async #once(token: string): Promise<void> {
    this.#stop = new AbortController()
    const resume: Record<string, string> = this.line.seq ? { 'Last-Event-ID': String(this.line.seq) } : {}
    const answer = await fetch('/events', {
      headers: { Authorization: `Bearer ${token}`, Accept: 'text/event-stream', ...resume },
      cache: 'no-store', credentials: 'omit', signal: this.#stop.signal,
    })
    if (answer.status === 401) {
      this.token = null
      this.#tell({ type: 'refused' })
      return
    }
    if (!answer.ok || !answer.body) return
    await this.#read(answer.body.pipeThrough(new TextDecoderStream()).getReader())
  }

  async #read(reader: ReadableStreamDefaultReader<string>): Promise<void> {
    let heard = Date.now()
    const watch = setInterval(() => {
      if (Date.now() - heard > SILENCE_MS) void reader.cancel()
    }, 1000)
    try {
      for (let text = ''; ;) {
        const { value, done } = await reader.read()
        if (done) return
        heard = Date.now()
        const blocks = (text + value).split('\n\n')
        text = blocks.pop() ?? ''
        for (const block of blocks) this.#take(block)
      }
    } finally {
      clearInterval(watch)
      this.#flush()
    }
  }

  #take(block: string): void {
    let id = 0, name = '', data = ''
    for (const line of block.split('\n')) {
      if (line.startsWith('id: ')) id = Number(line.slice(4))
      else if (line.startsWith('event: ')) name = line.slice(7)
      else if (line.startsWith('data: ')) data = line.slice(6)
    }
    if (!id) return
    if (name === 'hello') {
      const hello = JSON.parse(data)
      this.#told({ live: true, alive: hello.supervisor_alive, seq: id, heardAt: Date.now() })
    } else if (name === 'supervisor') {
      this.#told({ alive: JSON.parse(data).alive })
    } else if (name === 'gap') {
      const gap = JSON.parse(data)
      this.line.missed += gap.last - gap.first + 1
      // The log that we knew is not there any more: what it ends with now is where we go on.
      this.#told({ seq: id })
    } else if (data && !name) {
      this.#batch.push(JSON.parse(data))
      this.line.seq = id
      // The first event after a silence is told at once, those of a burst together.
      this.#timer ??= setTimeout(() => this.#flush(), Math.max(0, this.#flushed + BATCH_MS - Date.now()))
    } else {
      this.line.seq = id
      this.#told({ heardAt: Date.now() })
    }
  }

  #flush(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    const events = this.#batch
    if (!events.length) return
    this.#batch = []
    this.#flushed = Date.now()
    this.recent = [...this.recent, ...events].slice(-KEPT)
    this.line = { ...this.line, heardAt: Date.now() }
    this.#tell({ type: 'events', events, line: this.line })
  }
}
