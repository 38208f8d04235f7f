import { importedFrom } from './loader.cjs'

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

// In a bundle that is an ES module, nothing else tells where the code lies.
importedFrom(import.meta.url)
