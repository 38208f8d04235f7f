// A connection: what it shows, and the way to its secret in the native part.
import { eventSink, isWatched } from './event.cjs'
import { callSite, guarded, nativeFailure } from './guard.cjs'
import { native } from './loader.cjs'
import {
  environment,
  invalid,
  isPlain,
  type LoginArguments,
  type LoginOptions,
  loginAlone,
} from './login-options.cjs'
import type * as Native from './native.cjs'
import { type CallOptions, outcomeOf } from './pending.cjs'

/** What {@link Connection.authorize} is told. The options of the login are not saved. */
export interface NewConnection extends LoginOptions {
  /** The My Domain host of the org, such as `acme.my.salesforce.com`; a pasted URL will do. */
  loginUrl: string
  /** The consumer key of the app. */
  clientId: string
  /** The consumer secret of the app. */
  clientSecret: string
  /** A name of your own, in any characters. */
  name?: string | null | undefined
  /** Labels of your own. */
  labels?: Readonly<Record<string, string>> | null | undefined
}

/** What opens and seals a secret: 32 bytes in base64. */
export interface KeyOptions {
  /**
   * Keys with a comma between them: the first seals, all open. Without it they are those of the variable
   * `FORCEGRANT_CONNECTIONS_KEY`, or of the file that `FORCEGRANT_CONNECTIONS_KEY_FILE` names.
   */
  key?: string | null | undefined
}

/** What {@link Connection.dump} is told. */
export interface DumpOptions extends KeyOptions {
  /** Without a key, the secret stands in the text in clear: for a place that encrypts what it keeps. Default false. */
  plain?: boolean | null | undefined
}

interface Shown {
  id: string
  name?: string
  labels: Record<string, string>
  loginUrl: string
  clientId: string
  orgId?: string
  userId?: string
  created?: number
  verified?: number
  revision: number
}

// Not a private field: a value of another copy of the package is told apart by it.
const handles = new WeakMap<object, Native.NativeConnection>()

/**
 * Where to log in and with which credentials, under an id of your own.
 *
 * Its properties are all that it shows. The secret is in none of them, so printing, serialising, comparing or cloning a
 * connection does not show it.
 */
export class Connection {
  /** The id, under which it is found. */
  readonly id: string
  /** A name of your own. */
  readonly name: string | undefined
  /** Labels of your own. */
  readonly labels: Readonly<Record<string, string>>
  /** The login URL: the org's My Domain. */
  readonly loginUrl: string
  /** The client id (consumer key). */
  readonly clientId: string
  /** The 18-character id of the org that the last verification reached. */
  readonly orgId: string | undefined
  /** The 18-character id of the user that the app ran as at the last verification. */
  readonly userId: string | undefined
  /** When it was made. */
  readonly created: Date | undefined
  /** When a login and an API call succeeded last with these values. */
  readonly verified: Date | undefined
  /** How often it was saved; 0 if it never was, or was written by hand. */
  readonly revision: number

  /** @internal */
  constructor(handle: Native.NativeConnection) {
    const shown = handle.shown() as Shown
    this.id = shown.id
    this.name = shown.name
    this.labels = Object.freeze({ ...shown.labels })
    this.loginUrl = shown.loginUrl
    this.clientId = shown.clientId
    this.orgId = shown.orgId
    this.userId = shown.userId
    this.created = shown.created === undefined ? undefined : new Date(shown.created)
    this.verified = shown.verified === undefined ? undefined : new Date(shown.verified)
    this.revision = shown.revision
    handles.set(this, handle)
    Object.freeze(this)
  }

  /**
   * Logs in with these values, makes one harmless API call, and returns a connection that is saved in no folder:
   * {@link dump} gives its text, for a column of your database, say. Rejects as `Connections.authorize` does; the `field`
   * of the error says which value is wrong. A `signal` ends the wait, not the login.
   */
  static async authorize(
    id: string,
    values: NewConnection,
    options?: CallOptions | null,
  ): Promise<Connection> {
    const site = callSite(Connection.authorize)
    const { given, login } = authorization(id, values, 'authorize')
    const start = () =>
      guarded(
        () =>
          native().startAuthorizeUnsaved(
            given,
            login.options,
            login.environment,
            login.clock,
            listenerOf(login),
          ),
        Connection.authorize,
      )
    return one(await outcomeOf(start, options, site), site)
  }

  /**
   * Reads a text that {@link dump} gave. `id` is the one that it was made for: a text that belongs to another row is
   * refused. The text may not name a file or a command.
   *
   * Throws a ConfigurationError with the code `connection_unreadable`, which says what is wrong with the text.
   */
  static load(text: string, id: string, options?: KeyOptions | null): Connection {
    if (typeof text !== 'string' || typeof id !== 'string') throw new TypeError('load takes a text and an id')
    const key = keyOf(options)
    return new Connection(
      guarded(() => native().loadConnection(text, id, key, environment()), Connection.load),
    )
  }

  /**
   * The text of the connection, for a place of your own, with its secret sealed (AES-256-GCM). The seal is bound to the
   * id, the login host and the client id.
   *
   * Throws a ConfigurationError: `invalid_option` if there is no key, `connection_unreadable` if a file or a command brings
   * the secret.
   */
  dump(options?: DumpOptions | null): string {
    const handle = handles.get(this)
    if (handle === undefined) throw new TypeError('dump is a method of a Connection')
    const plain = options?.plain ?? false
    if (typeof plain !== 'boolean')
      throw invalid('option `plain`: it is not a boolean', 'Give true or false.')
    const key = keyOf(options)
    return guarded(() => handle.dump(key, plain, environment()), Connection.prototype.dump)
  }
}

/** @internal The native connection within, or undefined for anything that is not a connection of this package. */
export function nativeConnection(value: unknown): Native.NativeConnection | undefined {
  return typeof value === 'object' && value !== null ? handles.get(value) : undefined
}

/** @internal The one connection of an outcome. */
export function one({ connections }: Native.NativeOutcome, site: Error): Connection {
  const handle = connections?.[0]
  if (handle === undefined) throw nativeFailure(site)
  return new Connection(handle)
}

/** @internal What crosses to the native part of the values and options of `authorize`. */
export function authorization(
  id: unknown,
  values: unknown,
  method: string,
): { given: Native.NativeAuthorization; login: LoginArguments } {
  if (typeof id !== 'string' || !isPlain(values)) {
    throw new TypeError(`${method} takes an id and { loginUrl, clientId, clientSecret }`)
  }
  const { loginUrl, clientId, clientSecret, name, labels, replace, otherOrg, ...options } = values
  const given: Native.NativeAuthorization = {
    id,
    replace: flag('replace', replace),
    otherOrg: flag('otherOrg', otherOrg),
  }
  for (const [option, value] of Object.entries({ loginUrl, clientId, clientSecret, name })) {
    if (value === undefined || value === null) continue
    if (typeof value !== 'string') throw invalid(`option \`${option}\`: it is not a string`, 'Give a string.')
    given[option as 'name'] = value
  }
  if (labels !== undefined && labels !== null) given.labels = labelsOf(labels)
  return { given, login: loginAlone(options) }
}

/** @internal The labels that somebody gave. */
export function labelsOf(labels: unknown): Record<string, string> {
  if (isPlain(labels) && Object.values(labels).every((value) => typeof value === 'string')) {
    return { ...labels } as Record<string, string>
  }
  throw invalid('option `labels`: it is not an object of strings', "Give one such as { tenant: '42' }.")
}

/** @internal Where the events of one login go. */
export function listenerOf({ onEvent }: LoginArguments): ((event: object) => void) | undefined {
  return onEvent !== undefined || isWatched() ? eventSink(onEvent) : undefined
}

function flag(name: string, value: unknown): boolean {
  if (value === undefined || value === null) return false
  if (typeof value !== 'boolean')
    throw invalid(`option \`${name}\`: it is not a boolean`, 'Give true or false.')
  return value
}

function keyOf(options: KeyOptions | null | undefined): string | undefined {
  const key: unknown = options?.key ?? undefined
  // Not its value, which may be the secret itself.
  if (key !== undefined && typeof key !== 'string')
    throw invalid('option `key`: it is not a string', 'Give a string.')
  return key
}
