// classifyResponse and classifyGrpcStatus, for clients without an adapter in this package.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classifyGrpcStatus, classifyResponse } from 'forcegrant'

test('the forms of each API are distinguished', () => {
  const table = [
    [200, '{}', 'fine'],
    [401, '[{"errorCode":"INVALID_SESSION_ID"}]', 'session_expired'],
    [401, 'This session is not valid for use with the REST API', 'rest_not_allowed'],
    [401, 'Connected app is not attached to Agent', 'agent_not_attached'],
    [401, 'INVALID_AUTH_HEADER', 'wrong_audience'],
    [500, '<faultcode>sf:INVALID_SESSION_ID</faultcode>', 'session_expired'],
    [400, '<exceptionCode>InvalidSessionId</exceptionCode>', 'session_expired'],
    [403, 'Bad_OAuth_Token', 'session_expired'],
    [403, '[{"errorCode":"API_CURRENTLY_DISABLED"}]', 'blocked'],
    [403, 'TotalRequests Limit exceeded. REQUEST_LIMIT_EXCEEDED', 'daily_limit'],
    [403, 'ConcurrentRequests Limit exceeded. REQUEST_LIMIT_EXCEEDED', 'concurrent_limit'],
    [429, undefined, 'rate_limited'],
    [503, null, 'unavailable'],
    [404, '', 'other'],
  ]
  for (const [status, body, expected] of table) {
    assert.equal(classifyResponse({ status, body }).responseClass, expected, `${status} ${body}`)
    if (typeof body !== 'string') continue
    assert.equal(classifyResponse({ status, body: Buffer.from(body) }).responseClass, expected)
    assert.equal(classifyResponse({ status, body: new TextEncoder().encode(body) }).responseClass, expected)
  }
})

test('headers are read in every form', () => {
  const plain = {
    'Sforce-Limit-Info': 'api-usage=25/5000; per-app-api-usage=1/2(appName=x)',
    'Retry-After': 7,
  }
  const listed = { 'sforce-limit-info': ['api-usage=25/5000'], 'retry-after': ['7'] }
  for (const headers of [
    plain,
    listed,
    new Headers({ ...plain, 'Retry-After': '7' }),
    new Map(Object.entries(listed)),
  ]) {
    assert.deepEqual(classifyResponse({ status: 429, headers }), {
      responseClass: 'rate_limited',
      retryAfter: 7000,
      apiUsage: { used: 25, limit: 5000 },
    })
  }
  const nothing = { responseClass: 'fine', retryAfter: undefined, apiUsage: undefined }
  for (const headers of [undefined, null, {}, new Headers()])
    assert.deepEqual(classifyResponse({ status: 200, headers }), nothing)
})

test('a status of gRPC', () => {
  assert.deepEqual([0, 16, 7, 8, 14, 5].map(classifyGrpcStatus), [
    'fine',
    'session_expired',
    'blocked',
    'rate_limited',
    'unavailable',
    'other',
  ])
})

test('what is no status is an error', () => {
  for (const status of [undefined, '401', -1, 401.5, Number.NaN, 1000]) {
    assert.throws(() => classifyResponse({ status }), TypeError)
  }
})
