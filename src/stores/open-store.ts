import { CurfewError } from '../base/errors.ts'
import { openSqliteStore } from './sqlite/store.ts'
import type { Store, StoreOptions, StorePart } from './store.ts'

/**
 * Opens the store of DATABASE_URL: `sqlite:<path>`, or one of the parts by its scheme.
 * @throws CURFEW_CONFIG_INVALID, CURFEW_STORE_LOCKED, CURFEW_STORE_NEWER, CURFEW_STORE_UNAVAILABLE
 */
export async function openStore(
  url: string,
  parts: readonly StorePart[],
  options: StoreOptions,
): Promise<Store> {
  const { audit = true } = options
  const file = /^sqlite:(.+)$/.exec(url)?.[1]
  if (file !== undefined)
    return openSqliteStore(file, options.clock, options.log, {
      audit,
      massRevocation: options.massRevocation,
      outbox: options.outbox,
    })
  const scheme = url.slice(0, url.indexOf(':') + 1)
  const part = parts.find(({ schemes }) => schemes.includes(scheme))
  if (part) return part.open(url, options)
  throw new CurfewError('CURFEW_CONFIG_INVALID', `DATABASE_URL: this build has no store for ${scheme}`)
}
