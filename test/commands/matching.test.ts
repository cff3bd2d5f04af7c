import { createServer } from 'node:http'
import t from 'tap'
import { listen } from '../support/listen.ts'
import { runCommand } from '../support/process.ts'

const NEXT = '018f0000-0000-7000-8000-000000000007'

t.test('requests are repeated until nothing is left, and their results are added', async (t) => {
  const queries: string[] = []
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(String(request.url), 'http://curfew')
    const [body] = await request.toArray()
    const isLast = searchParams.has('cursor')
    queries.push(`${pathname} ${searchParams} ${body}`)
    const refused = isLast ? { CURFEW_SEVERAL_SENDERS: 1 } : { CURFEW_SEVERAL_SENDERS: 2 }
    const at = isLast ? '2026-11-28T12:00:01.000Z' : '2026-11-28T12:00:00.000Z'
    const result = { at, matched: 5, cancelled: isLast ? 4 : 3, refused, ids: [isLast ? 'b' : 'a'] }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ ...result, nextCursor: isLast ? null : NEXT }))
  })
  t.teardown(() => server.close())
  const environment = { CURFEW_URL: `http://127.0.0.1:${await listen(server)}`, CURFEW_API_KEY: 'k' }
  const result = await runCommand(['cancel', '--source', 'okta', '--yes', '--json'], environment)
  t.equal(result.code, 1)
  t.same(JSON.parse(result.stdout), {
    ...{ dryRun: false, matched: 10, cancelled: 7 },
    ...{ refused: { CURFEW_SEVERAL_SENDERS: 3 }, ids: ['a'] },
  })
  const body = '{"matching":{"source":"okta"}}'
  const counted = '{"matching":{"source":"okta","until":"2026-11-28T12:00:00.000Z"}}'
  t.same(queries, [
    `/revocations/cancel dryRun=true ${body}`,
    `/revocations/cancel dryRun=true&cursor=${NEXT} ${body}`,
    `/revocations/cancel  ${counted}`,
    `/revocations/cancel cursor=${NEXT} ${counted}`,
  ])
})
