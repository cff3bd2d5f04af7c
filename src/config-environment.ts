import fastifyEnv from '@fastify/env'
import Fastify from 'fastify'
import { z } from 'zod'
import type { Mistake } from './config.ts'
import { readSecretFile } from './secret-file.ts'

/** Variables as a process has them. */
export type Variables = Readonly<Record<string, string | undefined>>

/** The keys that are set, as texts. */
export type Given = Partial<Record<string, string>>

type Checked = { values: Record<string, unknown>; mistakes: Mistake[] }

/**
 * Reads the keys of `schema` from an environment, those in `secrets` also from the files that `…_FILE` names, and
 * tells all that is wrong with them.
 */
export async function readEnvironment(
  schema: z.ZodObject,
  secrets: readonly string[],
  environment: Variables,
): Promise<Checked & { given: Given }> {
  const { given, fileMistakes } = withSecretFiles(schema, secrets, environment)
  const { values, mistakes } = await check(schema, given)
  // A secret whose file is wrong is told once, not as missing, too.
  const told = fileMistakes.map(({ key }) => key.replace(/_FILE$/, ''))
  return { given, values, mistakes: [...fileMistakes, ...mistakes.filter(({ key }) => !told.includes(key))] }
}

/** The keys that are set, secrets read from their files where they are given as such. */
function withSecretFiles(
  schema: z.ZodObject,
  secrets: readonly string[],
  environment: Variables,
): { given: Given; fileMistakes: Mistake[] } {
  const given: Given = {}
  const fileMistakes: Mistake[] = []
  for (const key of Object.keys(schema.shape)) {
    // An empty value is what an unset variable becomes in a compose file.
    if (environment[key]) given[key] = environment[key]
  }
  for (const key of secrets) {
    const path = environment[`${key}_FILE`]
    if (!path) continue
    if (given[key] !== undefined)
      fileMistakes.push({ key, expected: `either ${key} or ${key}_FILE, not both` })
    const content = readSecretFile(path)
    // The path may be anything; the key is enough to find it.
    if (content === null) fileMistakes.push({ key: `${key}_FILE`, expected: 'the path of a readable file' })
    else given[key] = content
  }
  return { given, fileMistakes }
}

/** Coerces by @fastify/env, then checks by zod. What cannot be coerced is left out, so that it hides no other mistake. */
async function check(schema: z.ZodObject, given: Given): Promise<Checked> {
  const first = await coerce(schema, given)
  if (first.mistakes.length === 0) return { values: first.values, mistakes: issuesOf(schema, first.values) }
  const wrong = first.mistakes.map(({ key }) => key)
  const rest = Object.fromEntries(Object.entries(given).filter(([key]) => !wrong.includes(key)))
  const second = await coerce(schema.partial(), rest)
  return { values: {}, mistakes: [...first.mistakes, ...issuesOf(schema.partial(), second.values)] }
}

interface AjvError {
  instancePath: string
  message?: string
  params: { missingProperty?: string; allowedValues?: string[] }
}

async function coerce(schema: z.ZodObject, data: Given): Promise<Checked> {
  const app = Fastify()
  const jsonSchema = z.toJSONSchema(schema, { target: 'draft-7', io: 'output' })
  try {
    await app.register(fastifyEnv, { schema: jsonSchema, data, env: false })
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
  return { key: instancePath.slice(1), expected: `${message ?? 'is not usable'}${allowed}` }
}

function issuesOf(schema: z.ZodObject, values: unknown): Mistake[] {
  const issues = schema.safeParse(values).error?.issues ?? []
  return issues.map(({ path, message }) => ({ key: String(path[0]), expected: message }))
}
