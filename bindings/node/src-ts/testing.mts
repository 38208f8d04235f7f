export {
  type ControlAnswer,
  checkStore,
  type Emulator,
  EmulatorError,
  type EmulatorOptions,
  type EmulatorOrg,
  startEmulator,
  TestClock,
} from './testing.cjs'
