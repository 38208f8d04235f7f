export { type ConnectOptions, connect } from './jsforce.cjs'
