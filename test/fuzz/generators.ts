import { anyPath, withKey, withoutKey } from './api-requests.ts'
import type { Generate } from './request.ts'
import { standardWebhook, token, vendorWebhook } from './signed-requests.ts'

/** Each with its share of all requests; the last one has the rest. */
export const GENERATORS: readonly [share: number, generate: Generate][] = [
  [0.2, withoutKey],
  [0.12, withKey],
  [0.13, anyPath],
  [0.12, standardWebhook],
  [0.2, token],
  [1, vendorWebhook],
]
