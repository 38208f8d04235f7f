// The saved connections of a folder.
import { type InspectOptionsStylized, inspect } from 'node:util'
import { authorization, Connection, labelsOf, listenerOf, type NewConnection, one } from './connection.cjs'
import { type ErrorData, type ForcegrantError, makeError } from './errors.cjs'
import { callSite, guarded } from './guard.cjs'
import { native } from './loader.cjs'
import { environment, invalid, isPlain, type LoginOptions, loginAlone } from './login-options.cjs'
import type * as Native from './native.cjs'
import { type CallOptions, outcomeOf } from './pending.cjs'

/** What {@link Connections.authorize} is told. The options of the login are not saved. */
export interface AuthorizeOptions extends Partial<NewConnection> {
  /** Whether there may be a connection with this id; then what is not given stays as it is. Default false. */
  replace?: boolean | null | undefined
  /** Whether the login may reach another org than before. Default false. */
  otherOrg?: boolean | null | undefined
}

/** What {@link Connections.list} found. */
export interface ConnectionList {
  /** The connections, by their ids. */
  readonly connections: readonly Connection[]
  /** Why the other files cannot be used: each error names its file. */
  readonly unreadable: readonly ForcegrantError[]
}

const handles = new WeakMap<object, Native.NativeConnections>()

/**
 * The saved connections of a folder. Each is a file that its owner alone can read; a folder that is mounted for reading,
 * as Kubernetes mounts secrets, is never written.
 *
 * ```js
 * await new Connections().authorize('acme', { loginUrl, clientId, clientSecret })
 * const client = Client.fromConnection('acme')
 * ```
 */
export class Connections {
  readonly #handle: Native.NativeConnections

  /**
   * The connections of a folder, by its absolute path. Without one it is what `FORCEGRANT_CONNECTIONS` of `process.env`
   * names, else `forcegrant/connections` where the system keeps the settings of its users. Nothing is read yet.
   * Throws a ConfigurationError.
   */
  constructor(folder?: string | null) {
    if (folder !== undefined && folder !== null && typeof folder !== 'string') {
      throw invalid('option `folder`: it is not a string', 'Give the absolute path of a folder.')
    }
    this.#handle = guarded(() => native().openConnections(folder, environment()), new.target)
    handles.set(this, this.#handle)
  }

  /** The folder. */
  get folder(): string {
    return this.#handle.folder()
  }

  /**
   * Logs in with these values, makes one harmless API call, and then saves the connection under this id. If anything
   * fails, what was saved before stays as it was. A `signal` ends the wait, not the login.
   *
   * Rejects with a ConfigurationError (`connection_exists`, `other_org`, `missing_credentials`, `connection_unreadable`), or
   * as `Client.verify` does; the `field` of the error says which value is wrong.
   *
   * @returns the connection as it was saved
   */
  async authorize(id: string, values: AuthorizeOptions, options?: CallOptions | null): Promise<Connection> {
    const method = Connections.prototype.authorize
    const { given, login } = authorization(id, values, 'authorize')
    return this.#one(method, options, (handle) =>
      handle.startAuthorize(given, login.options, login.environment, login.clock, listenerOf(login)),
    )
  }

  /**
   * Logs in with a saved connection, whatever is cached, and makes one harmless API call. The time and the user are
   * saved, unless the folder is for reading.
   *
   * Rejects with `other_org` if the login reaches another org than before, and as {@link get} and `Client.verify` do.
   */
  async verify(id: string, login?: LoginOptions | null, options?: CallOptions | null): Promise<Connection> {
    const given = loginAlone(login)
    return this.#one(Connections.prototype.verify, options, (handle) =>
      handle.startVerify(textOf(id), given.options, given.environment, given.clock, listenerOf(given)),
    )
  }

  /** The connections that have these labels; all without. A file that cannot be used does not hide the others. */
  async list(
    filter?: { readonly labels?: Readonly<Record<string, string>> | null | undefined } | null,
  ): Promise<ConnectionList> {
    if (filter !== undefined && filter !== null && !isPlain(filter)) {
      throw new TypeError('list takes { labels }')
    }
    const labels = labelsOf(filter?.labels ?? {})
    const { connections = [], result } = await this.#outcome(Connections.prototype.list, null, (handle) =>
      handle.startList(labels),
    )
    return Object.freeze({
      connections: Object.freeze(connections.map((handle) => new Connection(handle))),
      unreadable: Object.freeze(((result ?? []) as ErrorData[]).map((error) => makeError(error))),
    })
  }

  /**
   * The connection with this id. Rejects with a ConfigurationError: `unknown_connection`, which names the nearest ids, or
   * `connection_unreadable`.
   */
  async get(id: string): Promise<Connection> {
    return this.#one(Connections.prototype.get, null, (handle) => handle.startGet(textOf(id)))
  }

  /** Replaces the labels of a connection. Rejects as {@link get} does, and where nothing can be written. */
  async setLabels(id: string, labels: Readonly<Record<string, string>>): Promise<Connection> {
    const given = labelsOf(labels)
    return this.#one(Connections.prototype.setLabels, null, (handle) =>
      handle.startSetLabels(textOf(id), given),
    )
  }

  /**
   * Seals the secret of a connection anew with the first key of the environment, and one that is not sealed yet too.
   * Rejects as {@link setLabels} does, and with `invalid_option` if there is no key.
   */
  async reseal(id: string): Promise<Connection> {
    return this.#one(Connections.prototype.reseal, null, (handle) => handle.startReseal(textOf(id)))
  }

  /**
   * Removes a connection. Salesforce is told nothing: sessions go on, and the client secret stays valid. Rejects as
   * {@link get} does.
   */
  async remove(id: string): Promise<void> {
    await this.#outcome(Connections.prototype.remove, null, (handle) => handle.startRemove(textOf(id)))
  }

  /** @internal */
  [inspect.custom](_depth: number, options: InspectOptionsStylized): string {
    return `Connections ${inspect({ folder: this.folder }, options)}`
  }

  async #one(
    method: unknown,
    options: CallOptions | null | undefined,
    start: (handle: Native.NativeConnections) => Native.NativePending,
  ): Promise<Connection> {
    return one(await this.#outcome(method, options, start), callSite(method))
  }

  #outcome(
    method: unknown,
    options: CallOptions | null | undefined,
    start: (handle: Native.NativeConnections) => Native.NativePending,
  ): Promise<Native.NativeOutcome> {
    return outcomeOf(() => guarded(() => start(this.#handle), method), options, callSite(method))
  }
}

/** @internal The native connections within, or undefined for anything else. */
export function nativeConnections(value: unknown): Native.NativeConnections | undefined {
  return typeof value === 'object' && value !== null ? handles.get(value) : undefined
}

/** @internal The option `connections`. */
export function connectionsOption(value: unknown): Native.NativeConnections | undefined {
  const found = nativeConnections(value)
  if (found === undefined && value !== undefined && value !== null) {
    throw invalid('option `connections`: it is not a folder of connections', 'Give `new Connections()`.')
  }
  return found
}

function textOf(id: unknown): string {
  if (typeof id !== 'string') throw new TypeError('an id is a string')
  return id
}
