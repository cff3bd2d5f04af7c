/** Why a request or a connection is refused before a route handles it. The label `reason` of the metric. */
export const REFUSALS = [
  'connections',
  'pipelining',
  'chunks',
  'unread',
  'body-memory',
  'memory',
  'delay',
  'verification',
  'failed-authentication',
] as const
export type Refusal = (typeof REFUSALS)[number]

export type CountRefusal = (reason: Refusal) => void
