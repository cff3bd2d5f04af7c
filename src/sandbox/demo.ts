import { demoCommand } from './demo-command.ts'

// `npm run demo`
await demoCommand(process.argv.slice(2), 'npm run demo --')
