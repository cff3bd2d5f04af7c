import { z } from 'zod'

/** Names a sender: an API key, a webhook secret or a source. */
export const SenderName = z.object({
  kind: z.enum(['api-key', 'webhook', 'source']),
  /** Its name in the configuration. */
  name: z.string(),
})
export type SenderName = z.infer<typeof SenderName>

/** The authenticated sender of a request, and where it came from. */
export interface Origin extends SenderName {
  /** Identifies the credential: the name of an unnamed key is its position, which may change. */
  id: string
  /** The address of the client; null if its connection has closed, or Curfew fetched the signal. */
  address: string | null
  /** Whether the configuration exempts it from the brake on mass revocation. */
  massRevocation?: boolean | undefined
}
