// Does what the package dotenv does: sets the variables of a .env file in `process.env`.
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { parseEnv } = require('node:util')

Object.assign(process.env, parseEnv(readFileSync(path.join(process.cwd(), '.env.test'), 'utf8')))
