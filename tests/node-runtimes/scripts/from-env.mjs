// What `Client.fromEnv` comes to, with what a runtime made of a .env file beside it.
import { Client } from 'forcegrant'

const { roots, resolve } = JSON.parse(process.env.TEST_CLIENT)
const { orgId } = await Client.fromEnv({ roots, resolve }).token()
console.log(orgId)
