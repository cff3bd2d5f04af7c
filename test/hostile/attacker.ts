import { attacks } from './attacks.ts'

/** Attacks a service from a process of its own, until it is killed: `node attacker.ts URL NUMBER`. */
const [url = '', index = '0'] = process.argv.slice(2)
await attacks()[Number(index)]?.start(url)
process.send?.('started')
