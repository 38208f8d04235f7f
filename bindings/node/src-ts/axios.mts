export { type AxiosLike, attach } from './axios.cjs'
