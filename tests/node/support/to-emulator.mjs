// Imported before a script, so that its calls go to the emulator.
import https from 'node:https'
import { fetch, setGlobalDispatcher } from 'undici'
import { agentFor, httpsAgentFor } from './network.mjs'

const emulator = JSON.parse(process.env.TEST_EMULATOR)
setGlobalDispatcher(agentFor(emulator, { keepAliveTimeout: 1 }))
globalThis.fetch = fetch
https.globalAgent = httpsAgentFor(emulator)
