/** One API call, however many requests it takes. */
export declare class NativeApiCall {
  /** Takes the token of the next request. Throws if it is the one that was refused. */
  useToken(accessToken: string): void
  /** Notes that a request to this URL was served. Returns whether the next such note is of use too. */
  noteServed(url: string): boolean
  /**
   * Takes the response to a request that carried the token. Returns undefined if the response is delivered, or how
   * many milliseconds later the request is sent again. Throws if the call ends in an error.
   */
  handleResponse(accessToken: string, url: string, replayable: boolean, response: NativeApiResponse): number | null
}

/** A client. */
export declare class NativeClient {
  /** The token, or a promise of one. `known` is the number of the token that the caller has. */
  start(known: number): NativeStarted
  /** The cached token. */
  cached(known: number): NativeCachedToken | null
  /** Reports a rejected token, by its text. */
  invalidate(accessToken: string): boolean
  /** Whether a token of these instances may go to a URL. */
  isAllowedFor(instanceUrl: string, apiInstanceUrl: string | undefined | null, url: string): boolean
  /** Where a request with a token of these instances goes, and whether it carries the token. */
  resolveUrl(instanceUrl: string, apiInstanceUrl: string | undefined | null, pathOrUrl: string): NativeResolvedUrl
  /** One API call. Without `repeats_when_busy`, it does not repeat what a busy service refused. */
  apiCall(method: string, repeatsWhenBusy: boolean): NativeApiCall
  /** Notes that a host accepted the token. Returns whether the next such note is of use too. */
  noteAccepted(url: string): boolean
  /** Notes a header `Sforce-Limit-Info`. */
  noteLimitInfo(header: string): void
  /** The API usage that was noted last. */
  limits(): { used: number, limit: number } | null
  /** The state of the client. */
  status(): object
  /** Logs in and calls an API. */
  startVerify(): NativePending
  /** Waits until nothing is in flight. */
  startWaitIdle(): NativePending
  /** Forgets the token and every failure. */
  reset(): void
  /** Uses other credentials from the next login on. */
  setCredentials(credentials: NativeCredentials): void
  /** Drops the token if it was issued to credentials that are retired. */
  invalidateIfRotated(): boolean
  /** Sends the events to a listener, if they go to none yet. */
  listen(listener: (arg: any) => void): void
  /** The host that the credentials go to. */
  loginHost(): string
}

/** A connection. */
export declare class NativeConnection {
  /** What it shows. */
  shown(): object
  /** Its text, sealed with a key or those of the environment, or in clear. */
  dump(key: string | undefined | null, plain: boolean, environment: Record<string, string>): string
  /** The source of a client of it. */
  source(environment: Record<string, string>): NativeSource
}

/** The saved connections of a folder. */
export declare class NativeConnections {
  /** The folder. */
  folder(): string
  /** Verifies a connection and saves it. */
  startAuthorize(given: NativeAuthorization, options: object, environment: Record<string, string>, clock?: NativeTestClock | undefined | null, onEvent?: ((arg: any) => void) | undefined | null): NativePending
  /** Verifies a connection that is saved. */
  startVerify(id: string, options: object, environment: Record<string, string>, clock?: NativeTestClock | undefined | null, onEvent?: ((arg: any) => void) | undefined | null): NativePending
  /** Lists those with these labels. */
  startList(labels: Record<string, string>): NativePending
  /** Reads one. */
  startGet(id: string): NativePending
  /** Replaces its labels. */
  startSetLabels(id: string, labels: Record<string, string>): NativePending
  /** Seals it anew. */
  startReseal(id: string): NativePending
  /** Removes it. */
  startRemove(id: string): NativePending
  /** The source of a client of one. */
  source(id: string): NativeSource
}

/** A pool. */
export declare class NativePool {
  /** The client of a key. */
  client(key: string): NativeClient
  /** Whether this is the client that the pool holds for a key; it counts as a use. */
  holds(key: string, client: NativeClient): boolean
  /** Gives the pool an org. */
  insert(key: string, org: NativeCredentials): void
  /** Replaces the credentials of a key. */
  setCredentials(key: string, org: NativeCredentials): void
  /** Forgets a key. */
  remove(key: string): boolean
  /** Whether the pool knows a key. */
  has(key: string): boolean
  /** How many clients it holds. */
  size(): number
  /** The state of the client of a key. */
  status(key: string): object | null
  /** The states of all clients. */
  statuses(): Array<[key: string, status: object]>
  /** Logs in for keys that nobody waits for yet. */
  startPrewarm(keys: Array<string>): NativePending
  /** Waits until nothing is in flight. */
  startWaitIdle(): NativePending
  /** Sends the events to a listener, if they go to none yet. */
  listen(listener: (arg: any) => void): void
}

/** A request for credentials. */
export declare class NativeQuestion {
  /** The key that a pool asks for. */
  get key(): string | null
  /** Replies with credentials. */
  answer(credentials: NativeCredentials): void
  /** Replies for a pool with a connection, or that there is no such key. */
  answerConnection(connection: NativeConnection | undefined | null, environment: Record<string, string>): void
  /** Says why there are none: the texts of what was thrown, from the outside in. */
  fail(texts: Array<string>): void
}

/** Where the credentials of a client come from, if not from its options. */
export declare class NativeSource {}

/** One call of the core, which waits for its reply. */
export declare class NativeStoreStep {
  /** The call to make; null after the first time. */
  take(): NativeStoreCall | null
  /** Replies with what the method returned. */
  answer(reply: NativeReply): void
  /** Says what the method threw. */
  fail(texts: Array<string>): void
}

/** The right to cancel a wait. Collecting it cancels nothing. */
export declare class NativeSubscription {
  /** Settles the promise with nothing. */
  cancel(): void
}

/** A clock that stands still until it is moved. */
export declare class NativeTestClock {
  /** Starts at a time in milliseconds since 1970, or now. */
  constructor(start?: number | undefined | null)
  /** Moves the time forward. */
  advance(milliseconds: number): void
  /** Sets the wall clock alone. */
  setWall(to: number): void
  /** The wall clock, in milliseconds since 1970. */
  now(): number
}

/** Whether the body decides what a response of this status means. */
export declare function bodyCounts(status: number): boolean

/** Throws if a renewal returned the token that was refused. */
export declare function checkRenewed(before: string, now: string): void

/**
 * Checks the contract of a store of JavaScript, and calls `done` with the violations, one line each. It takes a few
 * seconds.
 */
export declare function checkStore(store: (arg: NativeStoreStep) => void, done: (arg: Array<string>) => void): void

/** How many bytes of a body are classified. */
export declare const CLASSIFIED_BYTES: number

/** The class of the status of a gRPC call. */
export declare function classifyGrpcStatus(code: number): string

/** The class of an HTTP response and what else it says. */
export declare function classifyResponse(response: NativeApiResponse): object

/**
 * Runs the command line with the arguments after the program's name, and returns the exit code. It writes to the
 * process's own standard streams, and blocks until the command is done.
 */
export declare function cli(args: Array<string>): number

/**
 * The names of the environment variables that the core reads. JavaScript passes their values, because `process.env`
 * of a worker is not the environment of the process.
 */
export declare function environmentNames(): Array<string>

/** Credentials, or a connection, that these variables name. */
export declare function environmentSource(environment: Record<string, string>): NativeSource

/** Reads the text of a connection. Without a key, those of the environment open it. */
export declare function loadConnection(text: string, id: string, key: string | undefined | null, environment: Record<string, string>): NativeConnection

/** The parts of a response that its class depends on. */
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

/** What a connection shall be. */
export interface NativeAuthorization {
  /** The id. */
  id: string
  /** The My Domain host. */
  loginUrl?: string
  /** The consumer key. */
  clientId?: string
  /** The consumer secret. */
  clientSecret?: string
  /** The name. */
  name?: string
  /** The labels. */
  labels?: Record<string, string>
  /** Whether there may be one with this id. */
  replace: boolean
  /** Whether it may become one of another org. */
  otherOrg: boolean
}

/** A token and the time for which JavaScript may hand it out without asking again. */
export interface NativeCachedToken {
  /** Numbers the tokens of one client; 0 is no token. */
  id: number
  /** From when on it may be handed out. */
  from: number
  /** Until when. */
  until: number
  /** The token, unless JavaScript said that it has it. */
  token?: object
}

/** A consumer key and secret. */
export interface NativeClientCredentials {
  /** The consumer key. */
  clientId: string
  /** The consumer secret. */
  clientSecret: string
}

/** The credentials of a client. */
export interface NativeCredentials {
  /** The My Domain host; absent for a client, which has its own. */
  loginUrl?: string
  /** The consumer key. */
  clientId: string
  /** The consumer secret. */
  clientSecret: string
  /** The credentials that are about to replace these. */
  next?: NativeClientCredentials
}

/** The lease of a step. */
export interface NativeLease {
  /** Who holds it. */
  owner: string
  /** Its fencing number. */
  fence: number
}

/** How a wait ended. Everything is absent when it was cancelled, or when this library panicked. */
export interface NativeOutcome {
  /** The token. */
  cached?: NativeCachedToken
  /** The connections. */
  connections?: Array<NativeConnection>
  /** What else was asked for. */
  result?: unknown
  /** What went wrong. */
  error?: object
}

/** A promise and the means to cancel it. */
export interface NativePending {
  /** Cancels the wait. */
  subscription: NativeSubscription
  /** The core never rejects it. */
  outcome: Promise<NativeOutcome>
}

/** What the method returned; what it does not return is absent. */
export interface NativeReply {
  /** `get`: the entry. */
  entry?: Buffer
  /** `get` and `acquire`: the milliseconds left, of the entry or of another's lease. */
  left?: number
  /** `put`: whether the entry was stored. */
  stored?: boolean
  /** `acquire`: whether the lease was granted. */
  granted?: boolean
  /** `acquire`: its fence. */
  fence?: number
  /** `count`: the count of the last hour. */
  count?: number
}

/** Where a request goes. */
export interface NativeResolvedUrl {
  /** The URL to connect to. */
  url: string
  /** Whether the request carries the token. */
  carriesToken: boolean
}

/** One step. */
export interface NativeSetupStep {
  /** Its stable name. */
  name: string
  /** What is done, in a few words. */
  title: string
  /** Where in Salesforce's Setup. */
  path: string
  /** How. */
  text: string
}

/** A token, or a promise of one. */
export interface NativeStarted {
  /** The token. */
  cached?: NativeCachedToken
  /** The promise. */
  pending?: NativePending
}

/** A call of a method of the store. Times are in milliseconds. */
export interface NativeStoreCall {
  /** The method. */
  method: string
  /** Its arguments. */
  args: unknown[]
}

/** Makes a client. */
export declare function open(options: object, source: NativeSource | undefined | null, environment: Record<string, string>, clock?: NativeTestClock | undefined | null, onEvent?: ((arg: any) => void) | undefined | null, credentials?: ((arg: NativeQuestion) => void) | undefined | null, store?: ((arg: NativeStoreStep) => void) | undefined | null): NativeClient

/** The connections of a folder, or of the one that the environment names. */
export declare function openConnections(folder: string | undefined | null, environment: Record<string, string>): NativeConnections

/** Makes a pool. */
export declare function openPool(options: object, environment: Record<string, string>, connections?: NativeConnections | undefined | null, clock?: NativeTestClock | undefined | null, onEvent?: ((arg: any) => void) | undefined | null, credentials?: ((arg: NativeQuestion) => void) | undefined | null, store?: ((arg: NativeStoreStep) => void) | undefined | null): NativePool

/** `release` or `debug`: only the former is measured and packed. */
export declare function profile(): string

/** All steps, in their order. */
export declare function setupSteps(): Array<NativeSetupStep>

/** Verifies a connection that is saved in no folder. */
export declare function startAuthorizeUnsaved(given: NativeAuthorization, options: object, environment: Record<string, string>, clock?: NativeTestClock | undefined | null, onEvent?: ((arg: any) => void) | undefined | null): NativePending

/** The version that the package compares with its own. */
export declare function version(): string
