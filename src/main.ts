#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=30
import { run } from './cli/program.ts'

await run(process.argv.slice(2))
