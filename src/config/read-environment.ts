import fastifyEnv from '@fastify/env'
import Fastify from 'fastify'
import { z } from 'zod'
import { isPlaceholder, PLACEHOLDER } from '../base/placeholder.ts'
import { EXPOSED, readSecretFile } from '../base/secret-file.ts'

/** Environment variables, as in `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>

/** The keys that are set, as strings. */
export type Given = Partial<Record<string, string>>

/** An invalid key, and what was expected. Never contains the value. */
export interface Mistake {
  key: string
  expected: string
}

type Checked = { values: Record<string, unknown>; mistakes: Mistake[] }

/**
 * Reads the keys of `schema` from an environment, and those in `secrets` also from the files that `…_FILE` names.
 * Returns every mistake.
 */
export async function readEnvironment(
  schema: z.ZodObject,
  secrets: readonly string[],
  environment: Variables,
): Promise<Checked & { given: Given; warnings: Mistake[] }> {
  const { given, fileMistakes, warnings } = withSecretFiles(schema, secrets, environment)
  const placeholders = placeholdersIn(given, environment)
  const reported = [...fileMistakes, ...placeholders]
  const isReported = (key: string) => reported.some((one) => [key, `${key}_FILE`].includes(one.key))
  const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !isReported(key)))
  const { values, mistakes } = await check(schema, rest)
  // A secret whose file is invalid is not reported as missing as well.
  return {
    given,
    values,
    warnings,
    mistakes: [...reported, ...mistakes.filter(({ key }) => !isReported(key))],
  }
}

/** Values that are still the placeholder of the example, in the environment or in a secret's file. */
function placeholdersIn(given: Given, environment: Variables): Mistake[] {
  const keys = Object.keys(given).filter((key) => isPlaceholder(given[key] ?? ''))
  return keys.map((key) => ({ key: environment[key] ? key : `${key}_FILE`, expected: PLACEHOLDER }))
}

/** The keys that are set, with secrets read from their files. */
function withSecretFiles(
  schema: z.ZodObject,
  secrets: readonly string[],
  environment: Variables,
): { given: Given; fileMistakes: Mistake[]; warnings: Mistake[] } {
  const given: Given = {}
  const fileMistakes: Mistake[] = []
  const warnings: Mistake[] = []
  for (const key of Object.keys(schema.shape)) {
    // Compose files turn unset variables into empty values.
    if (environment[key]) given[key] = environment[key]
  }
  for (const key of secrets) {
    const path = environment[`${key}_FILE`]
    if (!path) continue
    if (given[key] !== undefined)
      fileMistakes.push({ key, expected: `expected ${key} or ${key}_FILE, not both` })
    const file = readSecretFile(path)
    // The message omits the path: it may be a secret that is set under the wrong key.
    if (file === null)
      fileMistakes.push({
        key: `${key}_FILE`,
        expected: 'expected the path of a readable file that others cannot write',
      })
    // The file of the previous secret stays configured, and empty, between rotations.
    else if (file.text === '' && !key.endsWith('_PREVIOUS'))
      fileMistakes.push({ key: `${key}_FILE`, expected: 'expected a file that is not empty' })
    else {
      given[key] = file.text
      if (file.isExposed) warnings.push({ key: `${key}_FILE`, expected: EXPOSED })
    }
  }
  return { given, fileMistakes, warnings }
}

/**
 * Coerces values with @fastify/env, then checks them with zod. Values that cannot be coerced are omitted in the second
 * step, so that they hide no other mistake.
 */
async function check(schema: z.ZodObject, given: Given): Promise<Checked> {
  const first = await coerce(schema, given)
  if (first.mistakes.length === 0) return { values: first.values, mistakes: issuesOf(schema, first.values) }
  const wrong = first.mistakes.map(({ key }) => key)
  const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !wrong.includes(key)))
  const optional = partialOf(schema)
  const second = await coerce(optional, rest)
  return { values: {}, mistakes: [...first.mistakes, ...issuesOf(optional, second.values)] }
}

interface AjvError {
  instancePath: string
  message?: string
  params: { missingProperty?: string; allowedValues?: string[] }
}

/** Calls `make` once per schema: @fastify/env compiles every schema object it receives, and caches it. */
function once<Made extends object>(make: (schema: z.ZodObject) => Made): (schema: z.ZodObject) => Made {
  const known = new WeakMap<z.ZodObject, Made>()
  return (schema) => {
    const made = known.get(schema) ?? make(schema)
    known.set(schema, made)
    return made
  }
}

const jsonSchemaOf = once((schema) => z.toJSONSchema(schema, { target: 'draft-7', io: 'output' }))
const partialOf = once((schema) => schema.partial())

async function coerce(schema: z.ZodObject, data: Given): Promise<Checked> {
  const app = Fastify()
  try {
    await app.register(fastifyEnv, { schema: jsonSchemaOf(schema), data, env: false })
    return { values: app.getEnvs<Record<string, unknown>>(), mistakes: [] }
  } catch (error) {
    if (!(error instanceof Error && 'errors' in error && Array.isArray(error.errors))) throw error
    return { values: {}, mistakes: error.errors.map(mistakeOf) }
  } finally {
    await app.close()
  }
}

function mistakeOf({ instancePath, message, params }: AjvError): Mistake {
  if (params.missingProperty) return { key: params.missingProperty, expected: 'must be set' }
  const allowed = params.allowedValues ? `: ${params.allowedValues.join(', ')}` : ''
  return { key: instancePath.slice(1), expected: `${message ?? 'is invalid'}${allowed}` }
}

function issuesOf(schema: z.ZodObject, values: unknown): Mistake[] {
  const issues = schema.safeParse(values).error?.issues ?? []
  return issues.map(({ path, message }) => ({ key: String(path[0]), expected: message }))
}
