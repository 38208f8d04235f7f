/** One call of an API, however many requests it takes. Made when it meets a refusal or waits for a token. */
export declare class NativeApiCall {
  /** Takes in the token of the next request: the failure, if it is the one that was refused. */
  useToken(accessToken: string): NativeError | null
  /** A request to this URL, with its token, was served. Whether it matters still when a host accepts one. */
  noteServed(url: string): boolean
  /** Takes in the response to a request that carried the token. */
  handleResponse(response: NativeCallResponse): NativeAction
}

/** A handle of the core's client. */
export declare class NativeClient {
  /** The token, or a wait for one. `known` is the lease that the caller has. */
  start(known: number): NativeStarted
  /** The token at hand. */
  cached(known: number): NativeCachedToken | null
  /** Reports a token that was turned down, by its text. */
  invalidate(accessToken: string): boolean
  /** Whether a token of these instances may go to a URL. */
  isAllowedFor(instanceUrl: string, apiInstanceUrl: string | undefined | null, url: string): boolean
  /** Where a call with a token of these instances goes, and whether the token goes along. */
  route(instanceUrl: string, apiInstanceUrl: string | undefined | null, pathOrUrl: string): NativeRoute
  /** One call of an API. Without `repeats_when_busy` it repeats nothing that a busy service refused. */
  apiCall(method: string, repeatsWhenBusy: boolean): NativeApiCall
  /** A host accepted the token of a request. Whether that matters still. */
  noteAccepted(url: string): boolean
  /** Notes a header `Sforce-Limit-Info`. */
  noteLimitInfo(header: string): void
  /** The API usage that was noted last. */
  limits(): NativeApiUsage | null
  /** Where the client stands. */
  status(): NativeStatus
  /** Logs in afresh, then calls an API. */
  startVerify(): NativeWait
  /** Waits until nothing is in flight. */
  startIdle(): NativeWait
  /** Gives a wait up. */
  cancel(id: number): void
  /** Forgets the token and every failure. */
  reset(): void
  /** Uses other credentials from the next login on. */
  setCredentials(current: NativeClientCredentials, next?: NativeClientCredentials | undefined | null): NativeError | null
  /** Drops the token if its client credentials are retired. */
  invalidateIfRotated(): boolean
  /** Has the events go to a listener, if they go to none yet. */
  listen(listener: (arg: NativeEvent) => void): void
  /** The host that the credentials go to. */
  loginHost(): string
}

/** A handle of the core's pool. */
export declare class NativePool {
  /** The client of a key. */
  client(key: string): NativeOpened
  /** Whether this is the client that the pool holds for a key; it counts as a use. */
  holds(key: string, client: NativeClient): boolean
  /** Gives the pool an org. */
  insert(key: string, org: NativeOrg): NativeError | null
  /** Replaces the credentials of a key. */
  setCredentials(key: string, org: NativeOrg): NativeError | null
  /** Forgets a key. */
  remove(key: string): boolean
  /** Whether the pool knows a key. */
  has(key: string): boolean
  /** How many clients it holds. */
  size(): number
  /** Where the client of a key stands. */
  status(key: string): NativeStatus | null
  /** Where all stand. */
  statuses(): Array<NativeMember>
  /** Logs in ahead. */
  prewarm(keys: Array<string>): Promise<NativePrewarmed>
  /** Waits until nothing is in flight. */
  waitIdle(): Promise<NativePrewarmed>
  /** Has the events go to a listener, if they go to none yet. */
  listen(listener: (arg: NativeEvent) => void): void
}

/** A question for credentials. When it is collected without an answer, the asker is told. */
export declare class NativeQuestion {
  /** The key that a pool asks for. */
  get key(): string | null
  /** Answers with credentials. Only the first answer counts. */
  answer(current: NativeClientCredentials, next?: NativeClientCredentials | undefined | null): void
  /** Answers a pool. */
  answerOrg(answer: NativeOrg): void
  /** Answers that there are none: the texts of what went wrong, from the outside in. */
  fail(texts: Array<string>): void
}

/** One step that waits to be taken. When it is collected without an answer, the core is told. */
export declare class NativeStoreStep {
  /** What is asked. Only the first call has it. */
  take(): NativeTask | null
  /** Answers. Only the first answer counts. */
  answer(reply: NativeReply): void
  /** Says why there is no answer. */
  fail(reason: string): void
}

/** A clock that stands still until it is moved. */
export declare class NativeTestClock {
  /** Starts at a time in milliseconds since 1970, or at the present. */
  constructor(start?: number | undefined | null)
  /** Moves the time on. */
  advance(milliseconds: number): void
  /** Sets the wall clock alone. */
  setWall(to: number): void
  /** The wall clock, in milliseconds since 1970. */
  now(): number
}

/** Whether the body decides what a response of this status means. */
export declare function bodyCounts(status: number): boolean

/**
 * Checks the contract of a store written in JavaScript, and calls `done` with what it does not keep,
 * one line each. Takes a few seconds.
 */
export declare function checkStore(store: (arg: NativeStoreStep) => void, done: (arg: Array<string>) => void): void

/** The class of the status of a gRPC call. */
export declare function classifyGrpcStatus(code: number): NativeClassification

/** The class of a response over HTTP. */
export declare function classifyResponse(answer: NativeApiResponse): NativeClassification

/**
 * Runs the command line with the arguments after the program's name, and returns the exit code.
 * It writes to the process's own standard streams, and blocks until the command is done.
 */
export declare function cli(args: Array<string>): number

/** How many bytes of a body are looked at. */
export declare const ENOUGH: number

/**
 * The names of the environment variables that the core reads. It is told their values, as the environment
 * of the process is not that of each worker.
 */
export declare function environmentNames(): Array<string>

/** The core's table of errors, for the test that compares it with the classes. */
export declare function errorTable(): Array<NativeErrorRow>

/** The core's catalogue of instruments. */
export declare function instruments(): Array<NativeInstrument>

/** What comes next. */
export interface NativeAction {
  /** What to do. */
  step: 'deliver' | 'resend' | 'fail'
  /** How long to wait before that. */
  pause?: number
  /** The failure. */
  error?: NativeError
  /** Whether the token is not the one at hand any more. */
  gone: boolean
  /** Whether renewals are counted, so that it matters when a host accepts a token. */
  countsRenewals: boolean
}

/** The parts of an answer that matter. */
export interface NativeApiResponse {
  /** The HTTP status. */
  status: number
  /** The first bytes of the body. */
  body?: Uint8Array
  /** The header `Retry-After`. */
  retryAfter?: string
  /** The header `Sforce-Limit-Info`. */
  limitInfo?: string
}

/** The daily API calls of an org. */
export interface NativeApiUsage {
  /** Made today. */
  used: number
  /** Allowed in a day. */
  limit: number
}

/**
 * A token as long as it is the current one. The id is new when anything about
 * the token is, and the token is left out when the caller has it already.
 */
export interface NativeCachedToken {
  /** A number for the token within one client. */
  id: number
  /** From when the token may be handed out without asking again. */
  from: number
  /** Until when. */
  until: number
  /** The token, unless the caller named this very lease. */
  token?: NativeToken
}

/** The response to a request that carried a token. */
export interface NativeCallResponse {
  /** The token. */
  accessToken: string
  /** Where the request went. */
  url: string
  /** Whether it can be sent again. */
  replayable: boolean
  /** The HTTP status. */
  status: number
  /** The first bytes of the body. */
  body?: Uint8Array
  /** The header `Retry-After`. */
  retryAfter?: string
  /** The header `Sforce-Limit-Info`. */
  limitInfo?: string
}

/** What they say. */
export interface NativeClassification {
  /** A stable word. */
  responseClass: string
  /** Whether a new token helps. */
  sessionExpired: boolean
  /** How long to wait. */
  retryAfter?: number
  /** API requests of the last 24 hours. */
  used?: number
  /** How many are allowed. */
  limit?: number
}

/** A consumer key and secret. */
export interface NativeClientCredentials {
  /** The consumer key. */
  clientId: string
  /** The consumer secret. */
  clientSecret: string
}

/** An error as data. */
export interface NativeError {
  /** The stable code. */
  code: string
  /** The kind, which decides the class. */
  kind: string
  /** The whole text, with the help. */
  message: string
  /** What it means and where to fix it. */
  help?: string
  /** Whether the same call may succeed later. */
  retryable: boolean
  /** How long to wait before that. */
  retryAfter?: number
  /** The step of the set-up that it points to. */
  setupStep?: string
  /** The status of the answer. */
  httpStatus?: number
  /** The `error` of the answer. */
  oauthError?: string
  /** The `error_description` of the answer. */
  oauthDescription?: string
  /** What lies beneath, from the outside in. */
  causes: Array<string>
}

/** One row of the core's table of errors. */
export interface NativeErrorRow {
  /** The stable code. */
  code: string
  /** The kind, which decides the class. */
  kind: string
  /** Whether the same call may succeed later. */
  retryable: boolean
  /** The step of the set-up that it points to. */
  setupStep?: string
}

/** An event: its name, and what events of that name have. */
export interface NativeEvent {
  /** A stable word. */
  name: string
  /** The client's key in its pool. */
  key?: string
  /** The host of a pool's client. */
  loginHost?: string
  /** Whether nobody waits for the login. */
  background?: boolean
  /** Attempts made. */
  attempts?: number
  /** Before the next attempt. */
  pause?: number
  /** Since the first request. */
  took?: number
  /** Since the token was asked for. */
  age?: number
  /** The token's digest. */
  fingerprint?: string
  /** When the token ends. */
  expiry?: NativeExpiry
  /** The client id now in use. */
  clientId?: string
  /** Logins in the last hour. */
  used?: number
  /** How many are allowed. */
  stop?: number
  /** What was left of the token's life when it arrived. */
  lifetime?: number
  /** What went wrong. */
  error?: NativeError
  /** The event as numbers. */
  measurements: Array<NativeMeasurement>
}

/** When a token ends, and how that is known. */
export interface NativeExpiry {
  /** The end. */
  at: number
  /** Where the end comes from. */
  source: string
  /** `known` or `estimated`. */
  certainty: string
}

/** A key and why its login failed. */
export interface NativeFailure {
  /** The key. */
  key: string
  /** Why. */
  error: NativeError
}

/** One instrument of the core's catalogue. */
export interface NativeInstrument {
  /** Its name. */
  name: string
  /** `counter` or `histogram`. */
  kind: string
  /** Its unit. */
  unit: string
  /** The keys of its attributes. */
  attributes: Array<string>
  /** What it tells. */
  meaning: string
}

/** One number about an event. */
export interface NativeMeasurement {
  /** The instrument. */
  name: string
  /** `counter` or `histogram`. */
  kind: string
  /** The unit. */
  unit: string
  /** The value. */
  value: number
  /** Keys and values from small fixed sets. */
  attributes: Record<string, string>
}

/** A key and where its client stands. */
export interface NativeMember {
  /** The key. */
  key: string
  /** Where it stands. */
  status: NativeStatus
}

/** What `open` made: a client, or an error. */
export interface NativeOpened {
  /** The client. */
  client?: NativeClient
  /** Why there is none. */
  error?: NativeError
}

/** What `open_pool` made: a pool, or an error. */
export interface NativeOpenedPool {
  /** The pool. */
  pool?: NativePool
  /** Why there is none. */
  error?: NativeError
}

/** The options of a client; times in milliseconds. */
export interface NativeOptions {
  /** The My Domain host. */
  loginUrl?: string
  /** The consumer key. */
  clientId?: string
  /** The consumer secret. */
  clientSecret?: string
  /** A file that holds the consumer secret. */
  clientSecretFile?: string
  /** A second pair. */
  nextCredentials?: NativeClientCredentials
  /** Whether to ask for the end of a token. */
  introspect?: boolean
  /** For that request. */
  introspectionTimeout?: number
  /** Logins within an hour. */
  loginBudget?: number
  /** Whether there is no such budget. */
  noLoginBudget?: boolean
  /** `body` or `basic`. */
  authStyle?: string
  /** The whole token endpoint. */
  tokenUrl?: string
  /** Further hosts to trust. */
  trustedHosts?: Array<string>
  /** Whether plain http to loopback is allowed. */
  allowHttpLoopback?: boolean
  /** Host names and addresses. */
  resolve?: Array<[host: string, address: string]>
  /** `platform`, `bundled` or PEM. */
  roots?: string
  /** `env`, `none` or a URL. */
  proxy?: string
  /** To connect. */
  connectTimeout?: number
  /** For one try. */
  attemptTimeout?: number
  /** For all tries. */
  totalTimeout?: number
  /** How many tries. */
  maxAttempts?: number
  /** Base of the pause between tries. */
  retryBackoff?: number
  /** Longest `Retry-After`. */
  retryAfterCap?: number
  /** How many tries of an API call. */
  callAttempts?: number
  /** First and longest pause between them. */
  callBackoff?: [first: number, cap: number]
  /** Longest `Retry-After` between them. */
  callRetryAfterCap?: number
  /** The session timeout of the org. */
  sessionTimeout?: number
  /** How long before the end to refresh. */
  refreshWindow?: number
  /** How long before a known end to stop. */
  safetyMargin?: number
  /** How long past an estimated end to go on. */
  maxStale?: number
  /** First and longest pause after a refusal. */
  refusalBackoff?: [first: number, cap: number]
  /** First and longest pause after a passing failure. */
  transientBackoff?: [first: number, cap: number]
  /** What tokens are shared through. */
  store?: string
  /** For each step of it. */
  storeTimeout?: number
  /** The variables of `process.env` that the core reads. */
  environment?: Record<string, string>
}

/** Where one org's credentials go and what they are. */
export interface NativeOrg {
  /** The My Domain host. */
  loginUrl: string
  /** The consumer key. */
  clientId: string
  /** The consumer secret. */
  clientSecret: string
  /** A second pair. */
  next?: NativeClientCredentials
}

/** How a wait ended; all empty when it was given up. */
export interface NativeOutcome {
  /** The token. */
  lease?: NativeCachedToken
  /** What went wrong. */
  error?: NativeError
  /** What a verification learned of the org's daily API calls. */
  apiUsage?: NativeApiUsage
}

/** The options of a pool beside those that its clients share. */
export interface NativePoolOptions {
  /** How many clients are kept. */
  maxClients?: number
  /** Logins that start within a second. */
  loginsPerSecond?: number
  /** Whether there is no such limit. */
  noLoginsPerSecond?: boolean
  /** Logins in flight. */
  concurrentLogins?: number
  /** Whether there is no such limit. */
  noConcurrentLogins?: boolean
}

/** What came of logging in ahead. */
export interface NativePrewarmed {
  /** Keys that have a token. */
  ready: number
  /** Keys whose login failed. */
  failed: Array<NativeFailure>
}

/** What a store answered; the fields that an answer does not have are absent. */
export interface NativeReply {
  /** The entry that was found. */
  entry?: Buffer
  /** What is left of its time, or of another's lease, in milliseconds. */
  left?: number
  /** Whether the entry was put. */
  stored?: boolean
  /** Whether the lease was granted. */
  granted?: boolean
  /** Its fence. */
  fence?: number
  /** The count of the last hour. */
  count?: number
}

/** Where a call goes. */
export interface NativeRoute {
  /** The address. */
  url?: string
  /** Whether the token goes along. */
  carries: boolean
  /** Why there is no address. */
  error?: NativeError
}

/** A token or an error at once, or a wait for one of them. */
export interface NativeStarted {
  /** The token. */
  lease?: NativeCachedToken
  /** The failure that still holds. */
  error?: NativeError
  /** The wait. */
  wait?: NativeWait
}

/** Where a client stands. */
export interface NativeStatus {
  /** `empty`, `fresh`, `refresh_due`, `stale` or `backing_off`. */
  state: string
  /** Whether a token request is up. */
  inFlight: boolean
  /** When the token ends. */
  expiry?: NativeExpiry
  /** When it will be refreshed. */
  refreshAt?: number
  /** Its digest. */
  fingerprint?: string
  /** How many tokens were got. */
  logins: number
  /** How many requests failed. */
  failures: number
  /** The last failure. */
  lastError?: NativeError
  /** When it was. */
  lastFailureAt?: number
  /** Until when calls fail at once. */
  backingOffUntil?: number
  /** How old the last token was that was turned down. */
  lastRejectedAge?: number
  /** The lifetime that this taught. */
  learnedLifetime?: number
  /** The host that the credentials go to. */
  loginHost: string
}

/** What a store is asked; the fields that a step does not have are absent. Times in milliseconds. */
export interface NativeTask {
  /** The method of the store that takes it. */
  method: string
  /** The key. */
  key: string
  /** The entry to put. */
  entry?: Buffer
  /** The time to live, of a lease, or to wait. */
  time?: number
  /** Who asks, or who has the lease. */
  owner?: string
  /** The fence of the lease. */
  fence?: number
  /** Logins to count. */
  logins?: number
}

/** A token and what belongs to it. */
export interface NativeToken {
  /** The secret. */
  accessToken: string
  /** Where API calls go. */
  instanceUrl: string
  /** Where calls to api.salesforce.com go. */
  apiInstanceUrl?: string
  /** The org, 18 characters. */
  orgId?: string
  /** The user, 18 characters. */
  userId?: string
  /** The identity URL. */
  identityUrl?: string
  /** What the app may do. */
  scopes: Array<string>
  /** `opaque` or `jwt`. */
  tokenFormat: string
  /** `Bearer`. */
  tokenType: string
  /** When the answer was signed. */
  issuedAt?: number
  /** When it ends. */
  expiry: NativeExpiry
  /** A digest that is safe to log. */
  fingerprint: string
  /** The value of an `Authorization` header. */
  authorization: string
  /** Fields of the answer with no place of their own. */
  extra: Record<string, unknown>
}

/** A wait that is up. */
export interface NativeWait {
  /** For `cancel`. */
  id: number
  /** Never rejects for a reason of the core's. */
  outcome: Promise<NativeOutcome>
}

/** Makes a client. */
export declare function open(options: NativeOptions, fromEnv: boolean, clock?: NativeTestClock | undefined | null, onEvent?: ((arg: NativeEvent) => void) | undefined | null, credentials?: ((arg: NativeQuestion) => void) | undefined | null, store?: ((arg: NativeStoreStep) => void) | undefined | null): NativeOpened

/** Makes a pool. */
export declare function openPool(options: NativeOptions, own: NativePoolOptions, clock?: NativeTestClock | undefined | null, onEvent?: ((arg: NativeEvent) => void) | undefined | null, credentials?: ((arg: NativeQuestion) => void) | undefined | null, store?: ((arg: NativeStoreStep) => void) | undefined | null): NativeOpenedPool

/** `release` or `debug`: what is measured and packed must be the former. */
export declare function profile(): string

/** The failure of a renewal that brought the same token. */
export declare function renewed(before: string, now: string): NativeError | null

/** The version that the package checks itself against. */
export declare function version(): string
