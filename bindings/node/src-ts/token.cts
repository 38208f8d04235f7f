// The token that users hold, and when it ends.
import { inspect } from 'node:util'

/** Where the end of a token is known, or guessed, from. */
export type ExpirySource = 'jwt' | 'expires_in' | 'introspection' | 'learned' | 'configured' | 'default'

/** When a token ends. Salesforce seldom says, so the end says whether it is known or estimated. */
export interface Expiry {
  /** The end, by the clock of this machine. */
  readonly at: Date
  /** Where the end comes from. */
  readonly source: ExpirySource
  /** `known`: Salesforce stated it; `estimated`: it did not. */
  readonly certainty: 'known' | 'estimated'
}

/** @internal As the native part sends it: times are milliseconds since 1970. */
export interface ExpiryData {
  readonly at: number
  readonly source: string
  readonly certainty: string
}

/** @internal */
export function toExpiry({ at, source, certainty }: ExpiryData): Expiry {
  return Object.freeze({ at: new Date(at), source, certainty }) as Expiry
}

/** @internal As the native part sends it. */
export interface TokenData {
  accessToken: string
  instanceUrl: string
  apiInstanceUrl?: string
  orgId?: string
  userId?: string
  identityUrl?: string
  scopes: string[]
  tokenFormat: string
  tokenType: string
  issuedAt?: number
  expiry: ExpiryData
  fingerprint: string
  authorization: string
  extra: Record<string, unknown>
}

/**
 * An access token and what belongs to it.
 *
 * Its properties are getters of a frozen object: printing, serialising or cloning a token never shows the
 * token itself.
 */
export class Token {
  readonly #data: TokenData
  readonly #scopes: readonly string[]
  readonly #extra: Readonly<Record<string, unknown>>

  /** @internal */
  constructor(data: TokenData) {
    this.#data = data
    this.#scopes = Object.freeze([...data.scopes])
    this.#extra = freeze(data.extra)
    Object.freeze(this)
  }

  /** The secret itself: the value for an `Authorization: Bearer` header. */
  get accessToken(): string {
    return this.#data.accessToken
  }

  /** Where API calls go: `https://` and a host, with no slash at the end. */
  get instanceUrl(): string {
    return this.#data.instanceUrl
  }

  /** Where calls to api.salesforce.com go; only for apps that have such a scope. */
  get apiInstanceUrl(): string | undefined {
    return this.#data.apiInstanceUrl
  }

  /** The 18-character id of the org. */
  get orgId(): string | undefined {
    return this.#data.orgId
  }

  /** The 18-character id of the user whom the app runs as. */
  get userId(): string | undefined {
    return this.#data.userId
  }

  /** The identity URL of the response (its `id`). */
  get identityUrl(): string | undefined {
    return this.#data.identityUrl
  }

  /** What the app may do, as Salesforce says; empty when it does not. */
  get scopes(): readonly string[] {
    return this.#scopes
  }

  /** `opaque` (a session id) or `jwt`. */
  get tokenFormat(): 'opaque' | 'jwt' {
    return this.#data.tokenFormat as 'opaque' | 'jwt'
  }

  /** The token type of the response: `Bearer`. */
  get tokenType(): string {
    return this.#data.tokenType
  }

  /** When the response was signed, which is not when the session began. */
  get issuedAt(): Date | undefined {
    return this.#data.issuedAt === undefined ? undefined : new Date(this.#data.issuedAt)
  }

  /** When the token ends, and how that is known. */
  get expiry(): Expiry {
    return toExpiry(this.#data.expiry)
  }

  /** A digest of the token that is safe to log: the same for the same token. */
  get fingerprint(): string {
    return this.#data.fingerprint
  }

  /** Fields of the response that have no property of their own; a number too large for one is a bigint. */
  get extra(): Readonly<Record<string, unknown>> {
    return this.#extra
  }

  /** The value of an `Authorization` header. */
  get authorization(): string {
    return this.#data.authorization
  }

  /** What `JSON.stringify` and logs see: everything but the secret. */
  toJSON(): Record<string, unknown> {
    return {
      fingerprint: this.fingerprint,
      instanceUrl: this.instanceUrl,
      apiInstanceUrl: this.apiInstanceUrl,
      orgId: this.orgId,
      userId: this.userId,
      scopes: this.scopes,
      tokenFormat: this.tokenFormat,
      issuedAt: this.issuedAt,
      expiry: this.expiry,
    }
  }

  /** The text names the token by its fingerprint, so that it cannot end up in a header by mistake. */
  toString(): string {
    return `Token(${this.fingerprint})`
  }

  /** @internal */
  [inspect.custom](_depth: number, options: import('node:util').InspectOptionsStylized): string {
    return `Token ${inspect({ ...this.toJSON(), accessToken: '[redacted]' }, options)}`
  }
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) freeze(inner)
    Object.freeze(value)
  }
  return value
}
