// The options of pools.
import type { Connections } from './connections.cjs'
import type { OrgCallback } from './credentials.cjs'
import type { CommonOptions } from './options.cjs'

type Maybe<T> = T | null | undefined

/**
 * The options of `new ClientPool`. Those of `CommonOptions` hold for all clients, but for `tokenUrl` and
 * `nextCredentials`, which belong to one org. The pool is itself what this process shares, so `store` tells only
 * what is shared beyond it.
 */
export type PoolOptions = Omit<CommonOptions, 'tokenUrl' | 'nextCredentials'> & OwnOptions

/** What a pool has beside the options of its clients. */
export interface OwnOptions {
  /**
   * Returns the credentials of a key that was not inserted: called at the key's first login and when a login is
   * refused for the credentials. `undefined` or `null` says that there is no such key: its callers get `unknown_key`.
   * What it throws becomes the `cause` of a `credentials_unavailable`.
   */
  credentialsCallback?: Maybe<OrgCallback>
  /**
   * A folder of connections, whose ids are the keys of the pool: each is read at the first use of its key, and again when
   * its file changes and when a login is refused. The options in a connection come before those of the pool.
   */
  connections?: Maybe<Connections>
  /** How many clients are kept; then one that was not used lately goes. Default 10,000. */
  maxClients?: Maybe<number>
  /** How many logins of the pool start within a second. Default 100. */
  loginsPerSecond?: Maybe<number | 'none'>
  /**
   * How many logins of the pool are in flight at once; one that takes longer than two seconds is not counted,
   * up to four times as many. Default 64.
   */
  concurrentLogins?: Maybe<number | 'none'>
}
