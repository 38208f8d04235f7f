// A service, as a bundler gets it.
import { Client, RefusedError } from 'forcegrant'

const options = JSON.parse(process.env.TEST_CLIENT)
const { accessToken } = await new Client(options).token()
const error = await new Client({ ...options, clientSecret: 'wrong' }).token().catch((refusal) => refusal)
console.log(accessToken.length, error.name, error instanceof RefusedError)
