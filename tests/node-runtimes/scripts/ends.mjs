// Ends while a request is up that is never answered, in the way that the first argument says.
import { Client } from 'forcegrant'

const client = new Client({ ...JSON.parse(process.env.TEST_CLIENT), onEvent() {} })
globalThis.kept = client
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
