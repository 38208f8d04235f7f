export { type CallOptions, Client, type Status, type Verified } from './client.cjs'
export {
  ConfigurationError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  type ErrorKind,
  ForcegrantError,
  InternalError,
  LoginRateError,
  RefusedError,
  RequestTimeoutError,
  ResponseError,
  type SetupStep,
  TokenRejectedError,
  TransportError,
  UnavailableError,
} from './errors.cjs'
export type { ClientEvent, EventListener } from './event.cjs'
export type { ClientOptions, CommonOptions, EnvOptions, KeyPair } from './options.cjs'
export { type Expiry, type ExpirySource, Token } from './token.cjs'
