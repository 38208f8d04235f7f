// A network of one server: every connection of a library goes there without TLS, so that a test sees each byte and the
// host that the library wanted to reach.
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { Agent, fetch } from 'undici'

export const HOST = 'acme.my.salesforce.com'
export const INSTANCE = `https://${HOST}`
export const ACCESS_TOKEN = '00D000000000001!AQ.a_token/with+signs=='

/** `login` serves token requests, `respond(request, response)` all others; `request.text` is all that was sent. */
export async function startSink() {
  const wanted = new Map()
  const sink = { seen: [], token: tokenResponse() }
  sink.respond = (_, response) => response.end('{}')
  sink.login = (_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(sink.token))
  }
  const server = http.createServer({ maxHeaderSize: 1 << 20 }, (request, response) => {
    const target = wanted.get(request.socket.remotePort)
    const chunks = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const head = [request.method, request.url, ...request.rawHeaders].join('\n')
      request.text = `${head}\n\n${Buffer.concat(chunks)}`
      if (target === undefined) return sink.login(request, response)
      sink.seen.push({ ...target, text: request.text })
      sink.respond(request, response)
    })
  })
  server.on('connection', (socket) => {
    // The system may give the free port to another process.
    const { remotePort } = socket
    socket.once('close', () => wanted.delete(remotePort))
  })
  server.on('connect', (request, socket) => {
    sink.seen.push({ ...wanted.get(socket.remotePort), text: `CONNECT ${request.url} ${request.rawHeaders}` })
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
  })
  server.on('clientError', ({ rawPacket }, socket) => {
    const text = `${rawPacket ?? ''}`
    if (text !== '') sink.seen.push({ ...wanted.get(socket.remotePort), text })
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()

  function connection(protocol, host, hostPort) {
    const socket = net.connect(port, '127.0.0.1')
    const usual = protocol === 'https:' ? 443 : 80
    const target = { protocol, host: String(host).replace(/^\[|\]$/g, ''), port: Number(hostPort) || usual }
    socket.once('connect', () => wanted.set(socket.localPort, target))
    return socket
  }
  /** For dispatchers of undici: the option `connect`. */
  sink.connect = ({ protocol, hostname, port: hostPort }, callback) => {
    const socket = connection(protocol, hostname, hostPort)
    socket.once('error', callback)
    socket.once('connect', () => callback(null, socket))
  }
  const agent = (module, protocol) => {
    const made = new module.Agent({ keepAlive: false })
    made.createConnection = ({ host, port: hostPort }) => connection(protocol, host, hostPort)
    return made
  }
  sink.httpAgent = agent(http, 'http:')
  sink.httpsAgent = agent(https, 'https:')
  sink.dispatcher = new Agent({ connect: sink.connect, pipelining: 0 })
  sink.fetch = (input, init) => fetch(input, { ...init, dispatcher: sink.dispatcher })
  sink.options = (others) => ({
    loginUrl: `http://127.0.0.1:${port}`,
    allowHttpLoopback: true,
    clientId: 'id',
    clientSecret: 'secret',
    fetch: sink.fetch,
    ...others,
  })
  sink.close = async () => {
    await sink.dispatcher.close()
    sink.httpAgent.destroy()
    sink.httpsAgent.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return sink
}

/** The requests that contained the token in any form. */
export function withToken({ seen }) {
  return seen.filter(
    ({ text }) => text.includes(ACCESS_TOKEN) || text.includes(encodeURIComponent(ACCESS_TOKEN)),
  )
}

function tokenResponse() {
  return {
    access_token: ACCESS_TOKEN,
    instance_url: INSTANCE,
    id: 'https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA',
    token_type: 'Bearer',
    scope: 'api',
    issued_at: String(Date.now()),
    signature: 'c2ln',
  }
}
