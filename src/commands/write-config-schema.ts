import { writeFileSync } from 'node:fs'
import { configFileJsonSchema } from '../config/schema.ts'
import { parts } from '../parts.ts'

// `npm run config-schema`. A test checks that the file matches the schema.
const path = new URL('../../docs/config-file.schema.json', import.meta.url)
writeFileSync(path, `${JSON.stringify(configFileJsonSchema(parts.sources), null, 2)}\n`)
