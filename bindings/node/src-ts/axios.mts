export { type AxiosInterceptors, type AxiosLike, attach } from './axios.cjs'
