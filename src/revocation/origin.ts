import { z } from 'zod'

/** Names a sender: an API key, a webhook secret or a source. */
export const SenderName = z.object({
  kind: z.enum(['api-key', 'webhook', 'source']),
  /** Its name in the configuration; by default its position there. */
  name: z.string(),
  /** Identifies the credential; empty if it is unknown. */
  id: z.string().default('').describe('Identifies the key or secret, even if its position changes'),
})
export type SenderName = z.infer<typeof SenderName>
/** Selects a sender: by its name or, if that is a position, by its id. */
export type SenderSelection = z.input<typeof SenderName>

/** Whether a name is a position in the configuration, which a reload can give to another key. Given names have no brackets. */
export function isPosition(name: string): boolean {
  return name.includes('[')
}

/** The kind and the name of a sender, as a revocation records them. A position in the configuration is a name, too. */
export function nameOf({ kind, name }: SenderSelection): string {
  return `${kind} ${name}`
}

const SenderWithoutId = SenderName.omit({ id: true })

/** The sender of a `nameOf`. */
export function senderNamed(text: string): Omit<SenderName, 'id'> {
  const space = text.indexOf(' ')
  return SenderWithoutId.parse({ kind: text.slice(0, space), name: text.slice(space + 1) })
}

/** The authenticated sender of a request, and where it came from. */
export interface Origin extends SenderName {
  /** The address of the client; null if its connection has closed, or Curfew fetched the signal. */
  address: string | null
  /** Whether the configuration exempts it from the brake on mass revocation. */
  massRevocation?: boolean | undefined
}
