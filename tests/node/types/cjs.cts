// The types as a CommonJS module sees them, by both ways to import. Compiled, never run.
import forcegrant = require('forcegrant')
import testing = require('forcegrant/testing')

import { Client, ConfigurationError, Token } from 'forcegrant'

const one: forcegrant.Client = new Client({
  loginUrl: 'a.my.salesforce.com',
  clientId: 'id',
  clientSecret: 's',
})
const same: typeof Client = forcegrant.Client

async function use(): Promise<string> {
  const emulator = await testing.startEmulator({ config: null })
  try {
    const token = await one.token()
    return token instanceof Token ? token.authorization : 'never'
  } catch (error) {
    return error instanceof ConfigurationError ? error.code : 'other'
  } finally {
    await emulator.close()
  }
}

export = { same, use }
