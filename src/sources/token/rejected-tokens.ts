import { decodeJwt, decodeProtectedHeader } from 'jose'
import { CurfewError } from '../../base/errors.ts'
import { printable } from '../../base/printable.ts'
import type { SourceEntry } from '../../base/source-entry.ts'
import type { IssuerConfig } from '../common/entry.ts'
import type { IssuerSource } from './issuer-source.ts'
import { LARGEST_TOKEN } from './verify-token.ts'

type AnyIssuerSource = IssuerSource<SourceEntry & IssuerConfig>

/**
 * Wraps a function that takes tokens, so that the log shows for a rejected one what was expected and what was received.
 * @param types the expected values of the header `typ`; null stands for a missing one
 */
export function explainRejectedTokens<Source extends AnyIssuerSource, More extends unknown[]>(
  take: (source: Source, token: string, ...more: More) => Promise<void>,
  types: readonly (string | null)[],
): (source: Source, token: string, ...more: More) => Promise<void> {
  return async (source, token, ...more) => {
    try {
      await take(source, token, ...more)
    } catch (error) {
      if (isAboutToken(error)) error.evidence = () => evidenceOf(source, token, types)
      throw error
    }
  }
}

/** A repeated token has all expected values. */
function isAboutToken(error: unknown): error is CurfewError {
  if (!(error instanceof CurfewError) || error.code === 'CURFEW_TOKEN_REPLAYED') return false
  return error.code.startsWith('CURFEW_TOKEN_') || error.code === 'CURFEW_KEY_LOOKUP_DEFERRED'
}

function evidenceOf({ config, keys }: AnyIssuerSource, token: string, types: readonly (string | null)[]) {
  const { issuer, audience } = config
  return {
    expected: { iss: issuer, aud: audience, typ: types, kid: printable(keys.kids()) },
    received: receivedIn(token),
  }
}

/** The members of an unverified token that commonly differ from the configuration; null if it is not a JWT. */
function receivedIn(token: string): object | null {
  if (token.length > LARGEST_TOKEN) return null
  try {
    const { typ, kid } = decodeProtectedHeader(token)
    const { iss, aud } = decodeJwt(token)
    return { iss: printable(iss), aud: printable(aud), typ: printable(typ), kid: printable(kid) }
  } catch {
    return null
  }
}
