import { spawnSync } from 'node:child_process'
import t from 'tap'
import { startService } from '../support/service.ts'
import { runs } from './peer.ts'

const skip = !runs('promtool', '--version') && 'promtool is not installed (Debian: prometheus)'

t.test("Prometheus's promtool finds no fault in the metrics", { skip }, async (t) => {
  const service = await startService(t)
  const { id } = service.userWithTokens(2)
  await service.revoke({ userId: id })
  await service.revoke({ email: 'nobody@example.com' })
  const { text } = await service.call('GET', '/metrics')
  t.match(text, /^curfew_revocations_total\{/m)
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  })
  t.equal(status, 0, `${stdout}${stderr}`)
  t.equal(`${stdout}${stderr}`, '')
})
