// The public names of the package.

export {
  type ApiResponse,
  type ApiUsage,
  type Classification,
  classifyGrpcStatus,
  classifyResponse,
  type HeadersLike,
  type ResponseClass,
} from './classification.cjs'
export { Client, type ConnectionOptions, type Verified } from './client.cjs'
export { Connection, type DumpOptions, type KeyOptions, type NewConnection } from './connection.cjs'
export { type AuthorizeOptions, type ConnectionList, Connections } from './connections.cjs'
export type {
  ClientCredentials,
  CredentialsCallback,
  LoadedCredentials,
  LoadedOrg,
  OrgCallback,
  OrgCredentials,
} from './credentials.cjs'
export {
  ConfigurationError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  type ErrorKind,
  ForcegrantError,
  type InputField,
  InternalError,
  LoginRateError,
  RefusedError,
  ReplayError,
  RequestTimeoutError,
  ResponseError,
  type SetupStep,
  TokenRejectedError,
  TransportError,
  UnavailableError,
} from './errors.cjs'
export {
  type ClientEvent,
  EVENT_CHANNEL,
  type EventListener,
  type EventMessage,
  type Happening,
  type Measurement,
} from './event.cjs'
export type { LoginOptions } from './login-options.cjs'
export type { ClientOptions, CommonOptions, EnvOptions } from './options.cjs'
export type { CallOptions } from './pending.cjs'
export { ClientPool, type Prewarmed } from './pool.cjs'
export type { PoolOptions } from './pool-options.cjs'
export { type SetupStepDetails, setupSteps } from './setup-steps.cjs'
export type { Status } from './status.cjs'
export type { Acquired, Lease, Store, Stored } from './store.cjs'
export { type Expiry, type ExpirySource, Token } from './token.cjs'
