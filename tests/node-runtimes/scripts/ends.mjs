// Ends while a request is in flight that never gets a response, in the way that the first argument says.
import { Client } from 'forcegrant'

const client = new Client({ ...JSON.parse(process.env.TEST_CLIENT), onEvent() {} })
globalThis.client = client
const controller = new AbortController()
const waiting = client.token({ signal: controller.signal })
switch (process.argv[2]) {
  case 'exit':
    process.exit(0)
    break
  case 'abort':
    controller.abort()
    await waiting.catch((error) => console.log(error.name))
    break
  default:
    throw new Error('which way?')
}
