// Preloaded into Node when the documentation's lines run: TLS connections to any host name lead to the emulator.
// Node's `fetch` and `https` reach the network through this one function. Names and certificates stay as they are.
const tls = require('node:tls')

const [host, port] = process.env.FORCEGRANT_DOCS_HTTPS.split(':')
const connect = tls.connect

tls.connect = (options, ...rest) =>
  connect({ ...options, servername: options.servername ?? options.host, host, port: Number(port) }, ...rest)
