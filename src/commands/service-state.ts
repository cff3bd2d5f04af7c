import { CurfewApiError, type CurfewClient } from '../client/client.ts'
import { type Sample, samplesIn } from './metrics-text.ts'

export interface Check {
  name: string
  status: string
  detail?: string
}

/** A sender, as keys with the role `operate` see it. */
export interface Sender {
  name: string
  /** Of a source. */
  kind?: string
  lastAcceptedAt: string | null
  lastRejected: { at: string; code: string; authenticated: boolean } | null
}

export interface Readiness {
  status: string
  checks?: Check[]
  apiKeys?: Sender[]
  webhookSecrets?: Sender[]
  sources?: Sender[]
}

/** `GET /health/ready`. A service that is not ready answers with 503 and the same body. */
export async function readinessOf(client: CurfewClient): Promise<Readiness> {
  const response = await client.open('GET', '/health/ready', { accept: [503] })
  return (await response.json()) as Readiness
}

/** Empty if the public listener does not have them. */
export async function metricsOf(client: CurfewClient): Promise<Sample[]> {
  try {
    return samplesIn(await (await client.open('GET', '/metrics')).text())
  } catch (error) {
    if (error instanceof CurfewApiError && error.status === 404) return []
    throw error
  }
}
