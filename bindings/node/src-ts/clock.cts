// The clock for tests.
import { native } from './loader.cjs'
import type * as Native from './native.cjs'

const natives = new WeakMap<object, Native.NativeTestClock>()

/** A clock for tests: it stands still until it is moved. Give it to a client as its `clock`. */
export class TestClock {
  /**
   * A clock that stands still.
   *
   * @param start where it starts; the present when it is left out
   */
  constructor(start?: Date | null) {
    natives.set(this, new (native().NativeTestClock)(start?.getTime()))
  }

  /** Moves both the wall clock and the running time on. */
  advance(milliseconds: number): void {
    inner(this).advance(milliseconds)
  }

  /** Sets the wall clock alone, as an administrator or NTP would. */
  setWall(to: Date): void {
    inner(this).setWall(to.getTime())
  }

  /** The wall clock. */
  now(): Date {
    return new Date(inner(this).now())
  }
}

/** @internal The native clock within, or undefined for anything that is not a clock of this package. */
export function nativeClock(clock: unknown): Native.NativeTestClock | undefined {
  return typeof clock === 'object' && clock !== null ? natives.get(clock) : undefined
}

function inner(clock: TestClock): Native.NativeTestClock {
  const found = natives.get(clock)
  if (found === undefined) throw new TypeError('not a TestClock')
  return found
}
