// forcegrant/jsforce: a connection of jsforce whose session renews itself.
import assert from 'node:assert/strict'
import https from 'node:https'
import { connect } from 'forcegrant/jsforce'
import { callsThrough, FOREIGN, LIMITS } from './support/calls.mjs'
import { httpsAgentFor } from './support/network.mjs'

// jsforce uses the agent of the process.
const systems = https.globalAgent
const through = (emulator) => {
  https.globalAgent = httpsAgentFor(emulator)
}
function away() {
  https.globalAgent.destroy()
  https.globalAgent = systems
}

/** A body that is written into the request's own stream. */
class Written {
  constructor(text) {
    this.text = text
  }
}

async function open(client) {
  const connection = await connect(client, { version: '67.0' })
  let last
  const { _transport: transport } = connection
  const send = transport.httpRequest
  transport.httpRequest = (...args) => {
    const sent = send(...args)
    sent.then(
      (response) => {
        last = response
      },
      () => {},
    )
    return sent
  }
  return {
    async call({ path: url, method = 'GET', body }) {
      const headers = { 'content-type': 'application/json' }
      const isWritten = body instanceof Written
      const request = { method, url, headers, ...(isWritten || body === undefined ? {} : { body }) }
      const requested = connection.request(request)
      if (isWritten) requested.stream().end(body.text)
      else if (body === undefined && method === 'POST') requested.stream().end()
      try {
        return { status: 200, data: await requested }
      } catch (error) {
        // An error of jsforce about a response is returned as a response, as in the other adapters. All other errors are
        // ours or of the network.
        if (error.errorCode === undefined) throw error
        const { statusCode: status, body: text } = last
        return { status, data: /^[[{]/.test(text) ? JSON.parse(text) : text }
      }
    },
  }
}

const NO_END = 'a request of jsforce whose response breaks off never settles, with this package or without'
const ITS_OWN =
  'jsforce repeats the responses of a busy service by itself: its option is `retry` of a request'
const NO_SIGNAL = 'jsforce has no way to cancel a request'
callsThrough('jsforce', {
  open,
  before: ({ emulator }) => through(emulator),
  after: away,
  stream: (text) => new Written(text),
  tellsLoginsInItsOwnWords: true,
  // Cases that jsforce does not repeat by itself.
  methodThatMeetsErrors: 'POST',
  lacks: {
    'a refusal that breaks off is judged by what came of it': NO_END,
    'a successful response that ends early is an error of its own, without a response class': NO_END,
    'a cancelled call ends, and takes nothing with it': NO_SIGNAL,
    'a call that is cancelled while it waits for the token leaves the login to others': NO_SIGNAL,
    'a call that is cancelled while its session is renewed leaves the login to others': NO_SIGNAL,
    'a call that is served leaves no listener behind': NO_SIGNAL,
    'a busy service is asked again, as often as the option says': ITS_OWN,
    'only what may be repeated by its method and its body is': ITS_OWN,
    'Retry-After is waited for, up to its cap': ITS_OWN,
    'a call that waits for a busy service can be renewed too': ITS_OWN,
    'a call that is cancelled while it waits for a busy service ends at once': NO_SIGNAL,
    "a caller's own Authorization header is sent as it is, and nothing is renewed":
      'jsforce itself writes the header of every request',
  },
  own: {
    async 'another origin sees no token, by a redirect or asked at once'(world) {
      const { call } = await world.open()
      const location = `${FOREIGN}/services/data/v67.0/query`
      await world.fault({ kind: 'redirect', status: 302, location })
      for (const path of [LIMITS, location]) {
        await assert.rejects(call({ path }), { name: 'TokenRejectedError', code: 'api_access_refused' })
      }
      const requests = await world.sent('query')
      assert.equal(requests.length, 2)
      for (const { headers } of requests) assert.equal(headers.authorization, undefined)
      assert.equal(await world.logins(), 1, 'the response of another origin says nothing about the token')
    },
  },
})
