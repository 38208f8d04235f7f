// What the expectations of a scenario mean. `view` is what all of them need: the tokens saved so far, the
// secret, and the time of the client.
import assert from 'node:assert/strict'
import * as forcegrant from 'forcegrant'
import { only } from './substitute.mjs'

const CLASSES = {
  configuration: forcegrant.ConfigurationError,
  refused: forcegrant.RefusedError,
  login_rate: forcegrant.LoginRateError,
  timeout: forcegrant.RequestTimeoutError,
  transport: forcegrant.TransportError,
  unavailable: forcegrant.UnavailableError,
  response: forcegrant.ResponseError,
  token: forcegrant.TokenRejectedError,
  internal: forcegrant.InternalError,
}

export function expectToken(token, expected, view) {
  assert.ok(token instanceof forcegrant.Token, `a token, not ${token}`)
  const equal = {
    access_token: token.accessToken,
    instance_url: token.instanceUrl,
    api_instance_url: token.apiInstanceUrl,
    org_id: token.orgId,
    user_id: token.userId,
    identity_url: token.identityUrl,
    token_format: token.tokenFormat,
    token_type: token.tokenType,
    scopes: token.scopes,
    expiry_source: token.expiry.source,
    expiry_certainty: token.expiry.certainty,
    has_issued_at: token.issuedAt !== undefined,
  }
  const others = {
    expires_in_seconds(seconds) {
      const actual = (token.expiry.at.getTime() - view.now()) / 1000
      assert.ok(Math.abs(actual - seconds) <= 5, `expires in ${actual} s instead of ${seconds} s`)
    },
    same_as: (name) => assert.equal(token.accessToken, saved(view, name).accessToken, `same as ${name}`),
    differs_from: (name) =>
      assert.notEqual(token.accessToken, saved(view, name).accessToken, `differs from ${name}`),
    extra: (fields) => expectSubset(token.extra, fields, 'extra'),
    extra_lacks(names) {
      for (const name of names) assert.ok(!Object.hasOwn(token.extra, name), `extra has ${name}`)
    },
  }
  compare(expected, equal, others, 'token')
}

export function expectError(error, expected, view) {
  assert.ok(error instanceof forcegrant.ForcegrantError, `an error of this package, not ${error?.stack}`)
  assert.ok(error.message.length > 10, 'the message says something')
  for (const secret of [...view.secrets, ...[...view.saved.values()].map((token) => token.accessToken)]) {
    if (secret !== '') assert.ok(!error.message.includes(secret), 'a secret is in the message')
  }
  const type = error.code === 'request_not_replayable' ? forcegrant.ReplayError : CLASSES[error.kind]
  assert.equal(error.constructor, type, `the class for ${error.kind}`)
  const text = error.message.toLowerCase()
  // The texts name options as Node does, the scenarios as Rust does.
  const has = (part) => [part, part.replaceAll('_', '')].some((form) => text.includes(form.toLowerCase()))
  const equal = {
    code: error.code,
    kind: error.kind,
    retryable: error.retryable,
    http_status: error.httpStatus,
    oauth_error: error.oauthError,
    oauth_description: error.oauthDescription,
    setup_step: error.setupStep,
    field: error.field?.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    has_retry_after: error.retryAfter !== undefined,
  }
  const others = {
    retry_after_at_least: (seconds) =>
      assert.ok(error.retryAfter >= seconds * 1000, `retryAfter is ${error.retryAfter}`),
    retry_after_at_most: (seconds) =>
      assert.ok(error.retryAfter <= seconds * 1000, `retryAfter is ${error.retryAfter}`),
    message_contains(parts) {
      for (const part of parts) assert.ok(has(part), `no "${part}" in: ${error.message}`)
    },
    message_lacks(parts) {
      for (const part of parts) assert.ok(!has(part), `"${part}" in: ${error.message}`)
    },
  }
  compare(expected, equal, others, 'error')
}

export function expectResponse(response, expected) {
  const { status, body } = response
  const others = {
    body_contains(parts) {
      for (const part of parts) assert.ok(body.includes(part), `no "${part}" in: ${body}`)
    },
  }
  compare(
    expected,
    { status, response_class: forcegrant.classifyResponse(response).responseClass },
    others,
    'response',
  )
}

export function expectVerified(verified, expected, view) {
  const equal = {
    org_id: verified.orgId,
    user_id: verified.userId,
    login_host: verified.loginHost,
    has_api_usage: verified.apiUsage !== undefined,
  }
  const others = { token: (token) => expectToken(verified.token, token, view) }
  compare(expected, equal, others, 'verified')
}

export function expectStatus(status, expected, view) {
  const equal = {
    state: status.state,
    in_flight: status.inFlight,
    logins: status.logins,
    failures: status.failures,
    last_error_code: status.lastError?.code,
    login_host: status.loginHost,
    expiry_source: status.expiry?.source,
    expiry_certainty: status.expiry?.certainty,
    backing_off: status.backingOffUntil !== undefined && status.backingOffUntil.getTime() > view.now(),
  }
  const others = {
    fingerprint_of: (name) =>
      assert.equal(
        status.fingerprint,
        name === null ? undefined : saved(view, name).fingerprint,
        'fingerprint',
      ),
  }
  compare(expected, equal, others, 'status')
}

export function expectEvents(events, expected, view) {
  assert.equal(events.length, expected.length, `what happened: ${events.map(({ name }) => name)}`)
  for (const [index, event] of events.entries()) {
    const { name, key, background, attempts, used, stop } = event
    const equal = {
      name,
      key,
      background,
      attempts,
      used,
      stop,
      code: event.error?.code,
      client_id: event.clientId,
      expiry_source: event.expiry?.source,
    }
    const others = {
      fingerprint_of: (of) =>
        assert.equal(event.fingerprint, saved(view, of).fingerprint, `${name}: fingerprint`),
    }
    compare(expected[index], equal, others, name)
  }
}

export function expectRequests(log, expected) {
  assert.equal(log.length, expected.length, 'the number of requests')
  for (const [index, wanted] of expected.entries()) {
    const request = log[index]
    const { host, sni, method, path, body_bytes, listener, via_proxy, answered } = request
    const others = {
      form: (fields) => expectSubset(request.form ?? {}, fields, 'form'),
      form_lacks: (names) => lacks(request.form ?? {}, names, 'form'),
      headers: (fields) => expectSubset(request.headers, fields, 'headers'),
      headers_lack: (names) => lacks(request.headers, names, 'headers'),
    }
    compare(
      wanted,
      { host, sni, method, path, body_bytes, listener, via_proxy, answered },
      others,
      `request ${index}`,
    )
  }
}

/** Objects by key, lists by position and length. */
export function expectSubset(actual, expected, where) {
  if (Array.isArray(expected)) {
    assert.ok(
      Array.isArray(actual) && actual.length === expected.length,
      `${where}: a list of ${expected.length}`,
    )
    for (const [index, inner] of expected.entries()) expectSubset(actual[index], inner, `${where}[${index}]`)
  } else if (typeof expected === 'object' && expected !== null) {
    assert.ok(typeof actual === 'object' && actual !== null, `${where}: an object`)
    for (const [key, inner] of Object.entries(expected)) expectSubset(actual[key], inner, `${where}.${key}`)
  } else {
    assert.deepEqual(actual, expected, where)
  }
}

export function compare(expected, equal, others, where) {
  only(expected, [...Object.keys(equal), ...Object.keys(others)], where)
  for (const [key, wanted] of Object.entries(expected)) {
    if (Object.hasOwn(others, key)) others[key](wanted)
    else assert.deepEqual(equal[key] ?? null, wanted, `${where}: ${key}`)
  }
}

function lacks(fields, names, where) {
  for (const name of names) assert.ok(!Object.hasOwn(fields, name), `${where}: has ${name}`)
}

function saved(view, name) {
  const token = view.saved.get(name)
  if (token === undefined) throw new Error(`no token was saved as ${name}`)
  return token
}
