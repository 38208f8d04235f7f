#!/usr/bin/env node
const { spawn } = require('node:child_process')
const { binaryPath } = require('./index.js')

const child = spawn(binaryPath(), process.argv.slice(2), { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  console.error(error.message)
  process.exitCode = 1
})
child.on('exit', (code) => {
  process.exitCode = code ?? 1
})
