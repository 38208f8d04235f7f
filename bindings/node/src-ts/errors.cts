// The error classes, and how the package makes an error of what the core or an adapter says.
/** The area an error belongs to; each has a class of its own below. */
export type ErrorKind =
  | 'configuration'
  | 'refused'
  | 'login_rate'
  | 'timeout'
  | 'transport'
  | 'unavailable'
  | 'response'
  | 'token'
  | 'internal'

/** Every code and its kind. The test suite compares this table with the core's. */
export const ERROR_CODES = Object.freeze({
  invalid_option: 'configuration',
  invalid_login_url: 'configuration',
  untrusted_host: 'configuration',
  missing_credentials: 'configuration',
  ambiguous_credentials: 'configuration',
  unknown_connection: 'configuration',
  connection_unreadable: 'configuration',
  connection_exists: 'configuration',
  other_org: 'configuration',
  unknown_key: 'configuration',
  credentials_unavailable: 'configuration',
  unsupported_login_host: 'refused',
  no_run_as_user: 'refused',
  flow_not_enabled: 'refused',
  no_valid_scopes: 'refused',
  invalid_client_id: 'refused',
  invalid_client_secret: 'refused',
  app_not_approved: 'refused',
  app_not_installed: 'refused',
  user_not_permitted: 'refused',
  user_inactive: 'refused',
  org_inactive: 'refused',
  login_restricted: 'refused',
  scope_not_supported: 'refused',
  unsupported_grant_type: 'refused',
  refused: 'refused',
  login_rate_exceeded: 'login_rate',
  login_budget_exceeded: 'login_rate',
  timeout: 'timeout',
  dns_failed: 'transport',
  connect_failed: 'transport',
  tls_failed: 'transport',
  tls_roots_unavailable: 'transport',
  proxy_failed: 'transport',
  proxy_authentication_required: 'transport',
  connection_lost: 'transport',
  server_unavailable: 'unavailable',
  rate_limited: 'unavailable',
  store_failed: 'unavailable',
  redirected: 'response',
  unexpected_response: 'response',
  response_too_large: 'response',
  untrusted_instance_url: 'response',
  token_dead_on_arrival: 'token',
  same_token_returned: 'token',
  fresh_token_refused: 'token',
  request_not_replayable: 'token',
  api_access_refused: 'token',
  api_disabled: 'token',
  password_expired: 'token',
  api_limit_reached: 'unavailable',
  internal: 'internal',
  worker_unavailable: 'internal',
} as const satisfies Record<string, ErrorKind>)

/** A stable name for what went wrong; the same in Rust, Python and Node. */
export type ErrorCode = keyof typeof ERROR_CODES

/** Which of the six steps of the set-up in Salesforce to look at. */
export type SetupStep =
  | 'create-app'
  | 'enable-flow'
  | 'run-as-user'
  | 'app-policies'
  | 'key-and-secret'
  | 'hostname'

/** One of the three values that a user enters. */
export type InputField = 'loginUrl' | 'clientId' | 'clientSecret'

/** What an error is made of. `retryAfter` is in milliseconds. */
export interface ErrorDetails {
  /** The stable code. */
  readonly code: ErrorCode
  /** The kind, which the class stands for. */
  readonly kind: ErrorKind
  /** The whole text: one line that says what happened, then the help, if there is any. */
  readonly message: string
  /** Whether the same call may succeed later with nothing changed; false when left out. */
  readonly retryable?: boolean | undefined
  /** Milliseconds to wait before another try. */
  readonly retryAfter?: number | undefined
  /** The step of the set-up in Salesforce to look at. */
  readonly setupStep?: SetupStep | undefined
  /** Which value is wrong, where the error is about one. */
  readonly field?: InputField | undefined
  /** The HTTP status of the response. */
  readonly httpStatus?: number | undefined
  /** The `error` of the OAuth response. */
  readonly oauthError?: string | undefined
  /** The `error_description` of the OAuth response. */
  readonly oauthDescription?: string | undefined
  /** What the error means and where to fix it. */
  readonly help?: string | undefined
  /** The error that caused it. */
  readonly cause?: unknown
}

/** @internal An error as data: its `message` is one line, without the help. */
export interface ErrorData extends Omit<ErrorDetails, 'cause'> {
  /** The texts of the causes, from the outside in. */
  readonly causes?: readonly string[]
}

/** The base of every error that this package makes. */
export class ForcegrantError extends Error {
  /** What went wrong: a stable name, the same in all languages. */
  readonly code: ErrorCode
  /** The kind of the code, which the class stands for. */
  readonly kind: ErrorKind
  /** Whether the same call may succeed later with nothing changed. */
  readonly retryable: boolean
  /** Milliseconds to wait before another try, when that is known. */
  declare readonly retryAfter?: number
  /** The step of the set-up in Salesforce to look at. */
  declare readonly setupStep?: SetupStep
  /** Which of the values that a user enters is wrong, where the error is about one: what a form can mark. */
  declare readonly field?: InputField
  /** The HTTP status of the response, if there was one. */
  declare readonly httpStatus?: number
  /** The `error` of the OAuth response, as Salesforce sent it. */
  declare readonly oauthError?: string
  /** The `error_description` of the OAuth response, as Salesforce sent it. */
  declare readonly oauthDescription?: string
  /** What the error means and where to fix it; `message` ends with it. */
  declare readonly help?: string

  /** For tests of programs that handle errors; the package makes its own. */
  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = details.code
    this.kind = details.kind
    this.retryable = details.retryable ?? false
    for (const name of [
      'retryAfter',
      'setupStep',
      'field',
      'httpStatus',
      'oauthError',
      'oauthDescription',
    ] as const) {
      if (details[name] !== undefined) Object.defineProperty(this, name, own(details[name], true))
    }
    // Not enumerable: the text is in the message already.
    if (details.help !== undefined) Object.defineProperty(this, 'help', own(details.help, false))
  }
}

/** An option is missing or wrong; nothing was sent. */
export class ConfigurationError extends ForcegrantError {}

/** Salesforce refused the credentials; the same request will be refused again. */
export class RefusedError extends ForcegrantError {}

/** The user has used up the logins of this hour. */
export class LoginRateError extends RefusedError {}

/** Salesforce could not be reached. */
export class TransportError extends ForcegrantError {}

/** Salesforce did not respond in time. */
export class RequestTimeoutError extends TransportError {}

/** Salesforce cannot serve the request now. */
export class UnavailableError extends ForcegrantError {}

/** A response that no token endpoint gives. */
export class ResponseError extends ForcegrantError {}

/** A token was issued, and does not work. */
export class TokenRejectedError extends ForcegrantError {}

/**
 * The session turned out to be dead, and the body of the request is a stream that has been read: send the request
 * again with a new body. The next one gets a new token. Its code is `request_not_replayable`.
 */
export class ReplayError extends TokenRejectedError {}

/** An internal error of this package, or a broken installation. */
export class InternalError extends ForcegrantError {}

const CLASSES = {
  configuration: ConfigurationError,
  refused: RefusedError,
  login_rate: LoginRateError,
  timeout: RequestTimeoutError,
  transport: TransportError,
  unavailable: UnavailableError,
  response: ResponseError,
  token: TokenRejectedError,
  internal: InternalError,
} as const satisfies Record<ErrorKind, typeof ForcegrantError>

// The name belongs to the class, not to each error, and survives a minifier.
for (const [name, type] of Object.entries({
  ForcegrantError,
  ConfigurationError,
  RefusedError,
  LoginRateError,
  TransportError,
  RequestTimeoutError,
  UnavailableError,
  ResponseError,
  TokenRejectedError,
  ReplayError,
  InternalError,
})) {
  Object.defineProperty(type.prototype, 'name', { value: name, configurable: true, writable: true })
}

/**
 * Makes the error of the class that its kind calls for.
 *
 * @internal
 * @param site an error made where the caller came in: its frames become those of the new error, which is
 *   otherwise made in a callback that no caller is on the stack of.
 */
export function makeError(data: ErrorData, site?: Error): ForcegrantError {
  const type: typeof ForcegrantError =
    data.code === 'request_not_replayable' ? ReplayError : (CLASSES[data.kind] ?? InternalError)
  const message =
    data.help === undefined ? data.message : `${data.message}\n${data.help.replaceAll(/^/gm, '  ')}`
  const error = new type({ ...data, message, cause: chain(data.causes) })
  const frames = site?.stack
  if (typeof frames === 'string') {
    const first = frames.indexOf('\n    at ')
    setStack(error, `${error.name}: ${error.message}${first < 0 ? '' : frames.slice(first)}`)
  }
  return error
}

/**
 * An error of an adapter.
 *
 * @internal
 */
export function adapterError(
  code: ErrorCode,
  message: string,
  help: string,
  more?: { httpStatus: number },
): ForcegrantError {
  return makeError({ code, kind: ERROR_CODES[code], message, help, ...more })
}

/** @internal */
export function tokenNotSentTo(host: string): ForcegrantError {
  const help = `If it is yours or Salesforce's, name it in the option \`trustedHosts\`: ['${host}'].`
  return adapterError(
    'api_access_refused',
    `no token goes to ${host}, which is not the token's instance`,
    help,
  )
}

/** The errors of the core that caused ours: they have texts, and no frames of JavaScript. */
function chain(texts: readonly string[] = []): Error | undefined {
  return texts.reduceRight<Error | undefined>((beneath, text) => {
    const error = new Error(text, beneath && { cause: beneath })
    setStack(error, `Error: ${text}`)
    return error
  }, undefined)
}

function setStack(error: Error, stack: string): void {
  Object.defineProperty(error, 'stack', own(stack, false))
}

function own(value: unknown, enumerable: boolean): PropertyDescriptor {
  return { value, enumerable, writable: true, configurable: true }
}
