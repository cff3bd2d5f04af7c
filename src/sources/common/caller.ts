import type { Origin } from '../../revocation/origin.ts'
import type { CommonConfig } from './entry.ts'

/** Who sends a message of a source. */
export interface Caller {
  /** Address of the client; null if its connection has closed, or Curfew fetched the message. */
  address: string | null
  /** Called once the message is authenticated. */
  onAuthenticated?: (origin: Origin) => void
}

/** Notes that a message is authenticated as one of this source. */
export function authenticated(
  { name, massRevocation }: Pick<CommonConfig, 'name' | 'massRevocation'>,
  { address, onAuthenticated }: Caller,
): Origin {
  const origin: Origin = { kind: 'source', name, id: name, address, massRevocation }
  onAuthenticated?.(origin)
  return origin
}
