export { callCredentials, interceptor } from './grpc.cjs'
