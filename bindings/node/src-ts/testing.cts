// The public names of `forcegrant/testing`.
export { TestClock } from './clock.cjs'
export {
  type ControlAnswer,
  type Emulator,
  EmulatorError,
  type EmulatorOptions,
  type EmulatorOrg,
  startEmulator,
} from './emulator.cjs'
export { checkStore } from './store.cjs'
