// Prints the result of `Client.fromEnv` in a runtime that read a .env file.
import { Client } from 'forcegrant'

const { roots, resolve } = JSON.parse(process.env.TEST_CLIENT)
const { orgId } = await Client.fromEnv({ roots, resolve }).token()
console.log(orgId)
