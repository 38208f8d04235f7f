#!/usr/bin/env node
import { native } from './loader.cjs'

// Blocks; Ctrl-C ends the process all the same, as Node leaves it to the system.
process.exitCode = native().cli(process.argv.slice(2))
