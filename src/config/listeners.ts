import type { Given, Mistake } from './read-environment.ts'

/**
 * Mistakes in the address of the operators' listener. Without OPS_PORT there is none, and an OPS_HOST alone would leave
 * operators' routes public.
 */
export function operatorsMistakes(given: Given, values: Readonly<Record<string, unknown>>): Mistake[] {
  if (given.OPS_PORT === undefined)
    return given.OPS_HOST === undefined
      ? []
      : [{ key: 'OPS_HOST', expected: 'expected OPS_PORT to be set as well' }]
  const { HOST, PORT, OPS_HOST, OPS_PORT } = values
  const isSame = OPS_PORT === PORT && OPS_HOST === HOST && OPS_PORT !== 0 && OPS_PORT !== undefined
  return isSame ? [{ key: 'OPS_PORT', expected: 'expected a port other than PORT' }] : []
}
