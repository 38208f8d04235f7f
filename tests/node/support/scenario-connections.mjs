// The steps of a scenario about saved connections.
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { Connection, Connections } from 'forcegrant'
import { compare, expectError } from './expect.mjs'
import { only } from './substitute.mjs'

const KEY = Buffer.alloc(32, 7).toString('base64')
const VALUES = ['login_url', 'client_id', 'client_secret']

/** What a callback returns that keeps connections as texts. */
export async function dumped(run, key, { loginUrl, clientId, clientSecret }) {
  const values = { ...run.options('connections', {}), loginUrl, clientId, clientSecret }
  const connection = await Connection.authorize(key, values)
  return Connection.load(connection.dump({ key: KEY }), key, { key: KEY })
}

/** Each with the keys that it may have. */
export const CONNECTION_STEPS = {
  authorize: [
    ['id', ...VALUES, 'name', 'labels', 'replace', 'other_org', 'expect'],
    (run, { id, name, labels, replace = false, other_org: otherOrg = false, expect, ...given }) => {
      const org = run.orgAt(undefined)
      const or = (value, byDefault) => value ?? (replace ? undefined : byDefault)
      const values = {
        ...run.options('connections', {}),
        loginUrl: or(given.login_url, org.loginUrl),
        clientId: or(given.client_id, org.clientId),
        clientSecret: or(given.client_secret, org.clientSecret),
        name,
        labels,
        replace,
        otherOrg,
      }
      if (values.clientSecret !== undefined) run.secrets.add(values.clientSecret)
      return check(run, new Connections(run.folder).authorize(id, values), expect)
    },
  ],
  verify_connection: [
    ['id', 'expect'],
    (run, { id, expect }) => {
      const verified = new Connections(run.folder).verify(id, run.options('connections', {}))
      return check(run, verified, expect)
    },
  ],
  get_connection: [
    ['id', 'expect'],
    (run, { id, expect }) => check(run, new Connections(run.folder).get(id), expect),
  ],
  remove_connection: [
    ['id', 'expect'],
    async (run, { id, expect }) => {
      const [{ reason }] = await Promise.allSettled([new Connections(run.folder).remove(id)])
      if (expect === undefined) {
        if (reason !== undefined) throw reason
        return
      }
      only(expect, ['error'], 'expect')
      assert.notEqual(reason, undefined, 'it did not fail')
      expectError(reason, expect.error, run)
    },
  ],
}

async function check(run, promise, expect = { connection: {} }) {
  only(expect, ['connection', 'error'], 'expect')
  const [{ value: connection, reason }] = await Promise.allSettled([promise])
  if (expect.error !== undefined) {
    assert.equal(connection, undefined, 'it did not fail')
    return expectError(reason, expect.error, run)
  }
  if (reason !== undefined) throw reason
  const shown = inspect(connection, { depth: 9, showHidden: true }) + JSON.stringify(connection)
  for (const secret of run.secrets) assert.ok(!shown.includes(secret), 'it shows a secret')
  const equal = {
    id: connection.id,
    name: connection.name,
    labels: connection.labels,
    login_url: connection.loginUrl,
    client_id: connection.clientId,
    org_id: connection.orgId,
    user_id: connection.userId,
    revision: connection.revision,
    is_verified: connection.verified !== undefined,
  }
  compare(expect.connection, equal, {}, 'connection')
}
