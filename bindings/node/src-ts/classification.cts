import { guarded } from './defect.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'

/** What an API's answer says about the token. */
export type ResponseClass =
  /** The call was served. */
  | 'fine'
  /** The session is dead: `invalidate` the token and ask for another. */
  | 'session_expired'
  /** A 401 that is not in Salesforce's own form, such as a gateway's page: no proof that the session is dead. */
  | 'unauthorized'
  /** The session lives, but the app lacks the scope `api`. A new token does not help. */
  | 'rest_not_allowed'
  /** The session lives, but the app is not attached to the agent. */
  | 'agent_not_attached'
  /** The token is for another audience, or of a form that this API does not take. */
  | 'wrong_audience'
  /** The password of the user that the app runs as has expired. */
  | 'password_expired'
  /** The API is switched off for the org or user, or this address may not use it. */
  | 'blocked'
  | 'daily_limit'
  | 'concurrent_limit'
  | 'rate_limited'
  /** The service can not answer now. */
  | 'unavailable'
  /** An answer about the request, not about the token. */
  | 'other'

/** The API requests of an org in the last 24 hours. */
export interface ApiUsage {
  /** Requests that counted. */
  readonly used: number
  /** How many the org may make. */
  readonly limit: number
}

/** Headers as any HTTP client has them. */
export type HeadersLike =
  | { get(name: string): unknown }
  | Readonly<Record<string, string | number | readonly string[] | null | undefined>>

/** The parts of a response that its class depends on. */
export interface ApiResponse {
  /** The HTTP status. */
  readonly status: number
  /** The headers, for `Retry-After` and `Sforce-Limit-Info`. */
  readonly headers?: HeadersLike | null | undefined
  /** The body or its beginning: a few hundred bytes do. */
  readonly body?: string | Uint8Array | null | undefined
}

/** The class of a response and what else it tells. */
export interface Classification {
  /** What it says about the token. */
  readonly responseClass: ResponseClass
  /** Milliseconds to wait, when the answer says so. */
  readonly retryAfter: number | undefined
  /** The API requests of the org, when the answer says so. */
  readonly apiUsage: ApiUsage | undefined
}

/** Reads an answer of REST, Bulk, SOAP, Connect, identity or userinfo: for HTTP clients of your own. */
export function classifyResponse(answer: ApiResponse): Classification {
  const { status, body } = answer
  if (!Number.isInteger(status) || status < 0 || status > 999) {
    throw new TypeError(
      'classifyResponse takes { status, headers, body }; status is the number of an HTTP status',
    )
  }
  const parts: Native.NativeApiResponse = { status }
  const retryAfter = header(answer.headers, 'retry-after')
  const limitInfo = header(answer.headers, LIMIT_INFO)
  if (retryAfter !== undefined) parts.retryAfter = retryAfter
  if (limitInfo !== undefined) parts.limitInfo = limitInfo
  if (body !== undefined && body !== null) parts.body = typeof body === 'string' ? Buffer.from(body) : body
  return classification(guarded(() => native().classifyResponse(parts), classifyResponse))
}

/** Reads the status of a gRPC call (of the Pub/Sub API). */
export function classifyGrpcStatus(code: number): ResponseClass {
  return guarded(() => native().classifyGrpcStatus(code), classifyGrpcStatus).responseClass as ResponseClass
}

/** @internal */
export const LIMIT_INFO = 'sforce-limit-info'

function classification({
  responseClass,
  retryAfter,
  used,
  limit,
}: Native.NativeClassification): Classification {
  const apiUsage = used === undefined || limit === undefined ? undefined : Object.freeze({ used, limit })
  return Object.freeze({ responseClass: responseClass as ResponseClass, retryAfter, apiUsage })
}

/** @internal */
export function header(headers: HeadersLike | null | undefined, name: string): string | undefined {
  if (headers === undefined || headers === null) return undefined
  let value: unknown
  if (typeof headers.get === 'function') {
    value = headers.get(name)
  } else {
    const plain = headers as Record<string, unknown>
    // Most clients have made the names small already.
    const key = Object.hasOwn(plain, name)
      ? name
      : Object.keys(plain).find((candidate) => candidate.toLowerCase() === name)
    value = key === undefined ? undefined : plain[key]
  }
  if (Array.isArray(value)) return value.join(', ')
  return value === undefined || value === null ? undefined : String(value)
}
