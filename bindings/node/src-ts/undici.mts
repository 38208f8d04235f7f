export { forcegrant } from './undici.cjs'
