// The tests of a service, for both runners: the same statements in each of several files, so that several workers run them.
const { Client, ForcegrantError, RefusedError } = require('forcegrant')
const { TestClock } = require('forcegrant/testing')

const options = JSON.parse(process.env.TEST_CLIENT)

exports.define = ({ test, expect, afterAll }) => {
  const clients = []
  const make = (more) => {
    const client = new Client({ ...options, ...more })
    clients.push(client)
    return client
  }
  // Nothing has to be closed; a runner that waits for open handles has to find none.
  afterAll(() => expect(clients.length).toBeGreaterThan(3))

  test('a token, and the same one again', async () => {
    const client = make()
    const token = await client.token()
    expect(token.accessToken).toHaveLength(112)
    expect(await client.token()).toBe(token)
    expect(client.status()).toMatchObject({ state: 'fresh', logins: 1 })
    expect(token.expiry.at).toBeInstanceOf(Date)
  })

  test('a refusal is an error of its class', async () => {
    const refused = make({ clientSecret: 'wrong' }).token()
    await expect(refused).rejects.toThrow(RefusedError)
    await expect(refused).rejects.toBeInstanceOf(ForcegrantError)
    await expect(refused).rejects.toBeInstanceOf(Error)
    await expect(refused).rejects.toMatchObject({ code: 'invalid_client_secret', retryable: false })
  })

  test('a clock that is moved by hand', async () => {
    const clock = new TestClock()
    const client = make({ clock, sessionTimeout: 3_600_000 })
    const first = await client.token()
    clock.advance(7_200_000)
    expect(await client.token()).not.toBe(first)
  })

  test('an aborted call', async () => {
    const controller = new AbortController()
    const call = make().token({ signal: controller.signal })
    controller.abort(new Error('no longer needed'))
    await expect(call).rejects.toThrow('no longer needed')
  })

  test('a client of the environment that a .env file was read into', async () => {
    const { roots, resolve } = options
    const { loginUrl, clientId, clientSecret } = options
    expect(process.env.SALESFORCE_LOGIN_URL).toBe(loginUrl)
    const client = Client.fromEnv({ roots, resolve, store: 'off' })
    expect(client.loginHost).toBe(loginUrl)
    expect((await client.token()).accessToken).toHaveLength(112)
    expect([clientId, clientSecret]).toEqual([
      process.env.SALESFORCE_CLIENT_ID,
      process.env.SALESFORCE_CLIENT_SECRET,
    ])
  })

  test('a request that is left up', () => {
    make().token()
  })
}
