import { sandboxCommand } from './sandbox-command.ts'

// `npm run sandbox`
await sandboxCommand(process.argv.slice(2), 'npm run sandbox --')
