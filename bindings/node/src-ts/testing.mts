export {
  checkStore,
  type ControlAnswer,
  type Emulator,
  EmulatorError,
  type EmulatorOptions,
  type EmulatorOrg,
  startEmulator,
  TestClock,
} from './testing.cjs'
