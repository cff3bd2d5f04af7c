/** The authenticated sender of a request, and where it came from. */
export interface Origin {
  kind: 'api-key' | 'webhook' | 'source'
  /** The name of the API key, webhook secret or source in the configuration. */
  name: string
  /** Identifies the credential: the name of an unnamed key is its position, which may change. */
  id: string
  /** The address of the client; null if its connection has closed, or Curfew fetched the signal. */
  address: string | null
}
