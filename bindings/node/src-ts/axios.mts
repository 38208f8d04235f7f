export { attach } from './axios.cjs'
