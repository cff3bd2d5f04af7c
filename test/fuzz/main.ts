import { parseArgs } from 'node:util'
import { fuzz } from './run.ts'

/**
 * `npm run fuzz -- --seed N --requests N [--from N] [--show]`: sends generated requests and configuration files to a service on
 * loopback. The same seed sends the same requests, except for times, keys and signatures. Exits 1 if it finds a fault.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    requests: { type: 'string', default: '20000' },
    from: { type: 'string', default: '0' },
    show: { type: 'boolean', default: false },
  },
})
const [seed, requests, from] = [values.seed, values.requests, values.from].map(Number)
if (![seed, requests, from].every((value) => Number.isSafeInteger(value) && Number(value) >= 0))
  throw new Error('Expected whole numbers.')

const print = (line: string) => void process.stdout.write(`${line}\n`)
print(`seed ${seed}, requests ${from} to ${Number(from) + Number(requests) - 1}`)
const startedAt = performance.now()
const { faults, statuses, memory, rows, lines } = await fuzz({
  seed: Number(seed),
  requests: Number(requests),
  from: Number(from),
  report: print,
  onAnswered(one, answers) {
    if (!values.show && requests !== 1) return
    print(`${one.kind}\n${one.bytes.toString('latin1').slice(0, 4_000)}\n`)
    for (const { status, headers, body } of answers)
      print(`${status} ${JSON.stringify(headers)}\n${body.slice(0, 2_000)}\n`)
  },
})
const seconds = (performance.now() - startedAt) / 1000
const at = (share: number) => {
  const { usedMb = Number.NaN, residentMb = Number.NaN } =
    memory[Math.floor(share * (memory.length - 1))] ?? {}
  return `${usedMb.toFixed(1)}/${residentMb.toFixed(0)}`
}
print(`statuses: ${JSON.stringify(statuses)}`)
print(`log: ${JSON.stringify(lines)}`)
print(`stored: ${JSON.stringify(rows)}`)
print(`memory: ${[0, 0.25, 0.5, 0.75, 1].map(at).join(', ')} MB used/resident (start, quarters, end)`)
print(`${requests} requests in ${seconds.toFixed(0)} s, ${faults.length} faults, seed ${seed}`)
process.exitCode = faults.length > 0 ? 1 : 0
