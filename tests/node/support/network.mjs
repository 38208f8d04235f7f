// HTTP clients whose connections all go to the emulator, for every host name.
import https from 'node:https'
import { Agent, buildConnector, fetch } from 'undici'

/** A dispatcher for undici and its own `fetch`, which may differ from the version inside Node. */
export function agentFor(emulator, options) {
  const [hostname, port] = emulator.https.split(':')
  const connector = buildConnector({ ca: emulator.caPem })
  const connect = (wanted, callback) =>
    connector({ ...wanted, hostname, port, servername: wanted.servername || wanted.hostname }, callback)
  return new Agent({ ...options, connect })
}

/** A `fetch` that uses a dispatcher. */
export function fetchBy(dispatcher) {
  return (input, init) => fetch(input, { ...init, dispatcher })
}

/** An agent of `node:https`, for the clients that are built on it. */
export function httpsAgentFor(emulator) {
  const [host, port] = emulator.https.split(':')
  const agent = new https.Agent({ keepAlive: true, ca: emulator.caPem })
  agent.createConnection = (wanted, callback) =>
    https.Agent.prototype.createConnection.call(
      agent,
      { ...wanted, host, port, servername: wanted.host },
      callback,
    )
  return agent
}
