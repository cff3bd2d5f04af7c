import type { SourceEntry } from '../../base/source-entry.ts'
import { createFetchJson } from '../../sources/token/fetch-json.ts'
import { discoverKeys } from '../../sources/token/well-known.ts'
import { type Finding, failed, ok, reasonOf } from './finding.ts'

/** Checks that the keys of each issuer can be found and read. Other sources need nothing from outside. */
export async function checkSources(sources: readonly SourceEntry[]): Promise<Finding[]> {
  const { fetchJson, close } = createFetchJson()
  try {
    return await Promise.all(
      sources.map(async (source): Promise<Finding> => {
        const what = `source ${source.name}`
        const { issuer, jwksUri } = source as { issuer?: string; jwksUri?: string }
        if (issuer === undefined && jwksUri === undefined) return ok(what, `${source.kind}, with a secret`)
        try {
          const document = source.kind === 'shared-signals' ? 'ssf-configuration' : 'openid-configuration'
          const address = jwksUri ?? (await discoverKeys(issuer ?? '', document, fetchJson))
          const { keys } = (await fetchJson(address)) as { keys?: unknown[] }
          if (Array.isArray(keys) && keys.length > 0)
            return ok(what, `${source.kind}; ${keys.length} keys at ${address}`)
          return failed(what, `There are no keys at ${address}.`, 'Check issuer or jwksUri of the source.')
        } catch (error) {
          return failed(what, reasonOf(error), 'Check issuer or jwksUri of the source, and the network.')
        }
      }),
    )
  } finally {
    await close()
  }
}
