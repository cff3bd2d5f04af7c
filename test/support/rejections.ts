import type { Service } from './service.ts'

/** The samples of `curfew_rejections_total`: `source reason`, and the count. */
export async function rejectionCounts({ call }: Pick<Service, 'call'>): Promise<Record<string, number>> {
  const { text } = await call('GET', '/metrics')
  const samples = text.matchAll(/^curfew_rejections_total\{source="(.*)",reason="(.*)"\} (\d+)$/gm)
  return Object.fromEntries(
    [...samples].map(([, source, reason, count]) => [`${source} ${reason}`, Number(count)]),
  )
}

/** The lines about rejections that are written at the level `info`. */
export function rejectionLines({ logLines }: Pick<Service, 'logLines'>) {
  return logLines
    .map((line) => JSON.parse(line))
    .filter(({ level, msg }) => level === 40 && /^(a request was|source events) rejected$/.test(msg))
}
