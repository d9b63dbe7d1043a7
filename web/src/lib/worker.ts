// One stream for every tab: browsers allow six connections to a host, and each tab would hold one.
import { Feed, type Told } from './feed'

export type Asked = { type: 'hello'; token: string | null } | { type: 'token'; token: string | null } | { type: 'bye' }

const ports = new Set<MessagePort>()
const feed = new Feed((told) => {
  for (const port of ports) port.postMessage(told)
})

const scope = self as unknown as { onconnect: (event: MessageEvent) => void }
scope.onconnect = ({ ports: [port] }) => {
  if (!port) return
  ports.add(port)
  port.onmessage = ({ data }: MessageEvent<Asked>) => {
    if (data.type === 'bye') {
      ports.delete(port)
      return
    }
    if (data.type === 'token' || data.token) feed.use(data.token)
    if (data.type !== 'hello') return
    const say = (told: Told) => port.postMessage(told)
    say({ type: 'token', token: feed.token })
    say({ type: 'events', events: feed.recent, line: feed.line })
  }
}
