// Stores that users write: their contract, and how the core's steps reach them.
import { texts } from './credentials.cjs'
import { native } from './loader.cjs'
import type * as Native from './native.cjs'

/** An entry, as it was put. */
export interface Stored {
  /** Its bytes. */
  readonly entry: Uint8Array
  /**
   * The milliseconds left of its time to live, by the store's own clock if it has one that does not depend on
   * this machine's.
   */
  readonly left?: number | undefined
}

/** The right to log in, as it was granted. */
export interface Lease {
  /** Who has it: drawn for each login. */
  readonly owner: string
  /** Its fencing number. */
  readonly fence: number
}

/** What a store says to a client that asks for the lease. */
export type Acquired =
  /** The caller has it. The fence is greater than that of every earlier grant and entry of the key. */
  | { readonly granted: true; readonly fence: number }
  /** Another has it, for `left` milliseconds unless it is extended or ended. */
  | { readonly granted: false; readonly fence: number; readonly left: number }

/**
 * A store of your own: keeps sealed entries, leases and counters, so that several processes share one login.
 * It sees bytes, and never a token. All times are in milliseconds. Methods may be async; what they throw is told
 * by the event `store_failed`, and the login goes ahead without the store. `checkStore` of `forcegrant/testing`
 * checks the whole contract.
 */
export interface Store {
  /** The entry under `key`, whole and as it was put, unless its time is over. */
  get(key: string): Awaitable<Stored | null | undefined>
  /**
   * Puts the entry, and ends the lease if `lease.owner` has it, in one step. `false`: the entry there was put
   * with a greater fence, and stays.
   */
  put(key: string, entry: Uint8Array, timeToLive: number, lease: Lease): Awaitable<boolean>
  /**
   * Asks for the lease, without waiting for it. One owner has it at a time, for `time`. The owner who has it
   * and asks again keeps it, with the same fence, for `time` from now.
   */
  acquire(key: string, owner: string, time: number): Awaitable<Acquired>
  /** Ends the lease without an entry, if this owner has it. */
  release(key: string, lease: Lease): Awaitable<void>
  /** Adds to the counter, and returns how many were added within the last hour. */
  count(key: string, logins: number): Awaitable<number>
  /** Waits until the lease with this fence has ended, or for `limit`. May return early. */
  watch?(key: string, fence: number, limit: number): Awaitable<void>
}

type Awaitable<T> = T | Promise<T>

/** Milliseconds between two looks at a store that has no `watch`. */
const POLL_INTERVAL = 50

const METHODS = ['get', 'put', 'acquire', 'release', 'count'] as const

/** @internal */
export function isStore(value: unknown): value is Store {
  if (typeof value !== 'object' || value === null) return false
  return METHODS.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}

/** @internal The function that the native part calls with the core's steps at a store. */
export function stepsOf(store: Store): (step: Native.NativeStoreStep) => void {
  const methods: Record<string, (...args: never[]) => Promise<Native.NativeReply>> = {
    get: async (key: string) => {
      const { entry, left } = (await store.get(key)) ?? {}
      return { ...(entry && { entry: Buffer.from(entry) }), ...(left != null && { left }) }
    },
    put: async (key: string, entry: Uint8Array, timeToLive: number, lease: Lease) => {
      return { stored: await store.put(key, entry, timeToLive, lease) }
    },
    acquire: async (key: string, owner: string, time: number) => store.acquire(key, owner, time),
    release: async (key: string, lease: Lease) => {
      await store.release(key, lease)
      return {}
    },
    count: async (key: string, logins: number) => ({ count: await store.count(key, logins) }),
    watch: async (key: string, fence: number, limit: number) => {
      if (store.watch !== undefined) await store.watch(key, fence, limit)
      else await new Promise((resolve) => setTimeout(resolve, Math.min(limit, POLL_INTERVAL)))
      return {}
    },
  }
  return async (step) => {
    try {
      const call = step.take()
      if (call !== null) step.answer((await methods[call.method]?.(...(call.args as never[]))) ?? {})
    } catch (error) {
      step.fail(texts(error))
    }
  }
}

/**
 * Checks the whole contract of a store of your own. Resolves with the violations, one line each: an empty array
 * is a pass. Others may use the store meanwhile. Takes a few seconds.
 *
 * @throws TypeError - for a value that is not a store.
 */
export function checkStore(store: Store): Promise<string[]> {
  if (!isStore(store)) throw new TypeError(`a store has the methods ${METHODS.join(', ')}`)
  return new Promise((resolve) => native().checkStore(stepsOf(store), resolve))
}
