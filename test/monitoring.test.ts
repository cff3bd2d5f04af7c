import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { z } from 'zod'
import { read } from './support/deployment.ts'
import { busyService, type Exposed, exposedBy } from './support/exposed-metrics.ts'
import { temporaryFolder } from './support/service.ts'

const run = promisify(execFile)

const Rule = z.strictObject({
  alert: z.string().regex(/^Curfew[A-Za-z]+$/),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
  annotations: z.strictObject({ summary: z.string(), runbook: z.string() }),
})
const Rules = z.strictObject({
  groups: z.tuple([z.strictObject({ name: z.literal('curfew'), rules: z.array(Rule) })]),
})
const Dashboard = z.object({
  panels: z.array(
    z.object({
      id: z.number(),
      title: z.string(),
      description: z.string().optional(),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      targets: z.array(z.object({ expr: z.string() })).default([]),
    }),
  ),
})

const [{ rules }] = Rules.parse(parse(read('deploy/prometheus/alerts.yaml'))).groups
const { panels } = Dashboard.parse(JSON.parse(read('deploy/grafana/curfew.json')))
const queries = panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })))

/** Metrics and labels of an expression that the service does not expose. */
function unknownIn(expr: string, exposed: ReadonlyMap<string, Exposed>): string[] {
  return [...expr.matchAll(/\b(curfew_[a-z_]+)(?:\{([^}]*)\})?/g)].flatMap(([, name = '', selector = '']) => {
    const metric = exposed.get(name) ?? exposed.get(name.replace(/_(bucket|sum|count)$/, ''))
    if (!metric) return [name]
    const labels = [...selector.matchAll(/([a-z]+)(?:=~|!~|!=|=)"/g)].map(([, label]) => String(label))
    return labels.filter((label) => !metric.labels.includes(label)).map((label) => `${label} of ${name}`)
  })
}

t.test('alerts and panels use metrics and labels that the service exposes', async (t) => {
  const exposed = await exposedBy(await busyService(t))
  t.ok(rules.length > 10)
  t.ok(queries.length > 20)
  for (const { alert, expr } of rules) t.same(unknownIn(expr, exposed), [], alert)
  for (const { title, expr } of queries) t.same(unknownIn(expr, exposed), [], title)
})

t.test('every metric is on the dashboard', async (t) => {
  const exposed = await exposedBy(await busyService(t))
  const shown = queries.map(({ expr }) => expr).join('\n')
  // Shown in another form, as `curfew_blocked_seconds`, `curfew_backlog` and the panel of the check.
  const others = ['blocked_until_timestamp_seconds', 'held_total', 'checked_timestamp_seconds']
  for (const name of exposed.keys())
    if (!others.some((end) => name.endsWith(end))) t.ok(shown.includes(name), name)
})

t.test('every alert has a section that says what to do', (t) => {
  for (const { alert, annotations } of rules) {
    const [page = '', anchor] = annotations.runbook.split('#')
    const headings = [...read(page).matchAll(/^## (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))
    t.ok(headings.includes(String(anchor)), alert)
  }
  t.end()
})

const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^a-z0-9\s-]/g, '')
    .replaceAll(' ', '-')

t.test('no two panels overlap, and each is described', (t) => {
  const places = new Set<string>()
  for (const { title, description, gridPos, targets } of panels) {
    t.ok(targets.length === 0 || description, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        if (places.has(`${x} ${y}`)) t.fail(title)
        places.add(`${x} ${y}`)
      }
  }
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  t.end()
})

/** Series for which each alert fires: every minute one value. */
const FIRING: Record<
  string,
  { series: string; values: string; labels?: Record<string, string>; at?: string }
> = {
  CurfewRevocationsFail: {
    series: 'curfew_revocations_total{tenant="a",status="failed",outcome=""}',
    values: '0 1x90',
    labels: { tenant: 'a' },
    // The first failure is an increase from 0; an hour later, it is none.
    at: '5m',
  },
  CurfewRevocationsUnverified: {
    series: 'curfew_verifications_total{tenant="a",result="unverified"}',
    values: '0x80 1x10',
    labels: { tenant: 'a' },
  },
  CurfewNotificationsLate: {
    series: 'curfew_notifications_oldest_pending_seconds{receiver="siem"}',
    values: '7200x90',
    labels: { receiver: 'siem' },
  },
  CurfewNotificationsGivenUp: {
    series: 'curfew_notifications_total{receiver="siem",type="revocation.failed",result="failed"}',
    values: '0x80 1x10',
    labels: { receiver: 'siem' },
  },
  CurfewOldestQueuedTooLong: {
    series: 'curfew_oldest_queued_seconds{tenant="a"}',
    values: '0+60x90',
    labels: { tenant: 'a' },
  },
  CurfewBacklogTooLong: {
    series: 'curfew_backlog_completion_seconds{tenant="a"}',
    values: '7200x90',
    labels: { tenant: 'a' },
  },
  CurfewRevocationsHeld: {
    series: 'curfew_backlog{tenant="a",status="held"}',
    values: '1x90',
    labels: { tenant: 'a' },
  },
  CurfewBlocked: {
    series: 'curfew_blocked_seconds{tenant="a"}',
    values: '900x90',
    labels: { tenant: 'a' },
  },
  CurfewClientRefused: {
    series: 'curfew_qlik_client_refused{tenant="a",client="c"}',
    values: '1x90',
    labels: { tenant: 'a', client: 'c' },
  },
  CurfewQlikDown: {
    series: 'curfew_qlik_requests_total{tenant="a",route="list",status="0"}',
    values: '0+60x90',
    labels: { tenant: 'a' },
  },
  CurfewQlikDeprecation: {
    series: 'curfew_qlik_deprecated{tenant="a",route="list"}',
    values: '1x90',
    labels: { tenant: 'a', route: 'list' },
  },
  CurfewSlow: { series: 'curfew_time_to_revoke_seconds_bucket{le="300"}', values: '0+10x90' },
  CurfewSignalsRejected: {
    series: 'curfew_rejections_total{source="idp",reason="CURFEW_TOKEN_EXPIRED"}',
    values: '0+60x90',
    labels: { source: 'idp', reason: 'CURFEW_TOKEN_EXPIRED' },
  },
  CurfewClientsRefused: {
    series: 'curfew_refusals_total{reason="memory"}',
    values: '0+60x90',
    labels: { reason: 'memory' },
  },
  CurfewSourceSilent: {
    series: 'curfew_signals_total{source="idp",result="accepted"}',
    values: '0x90',
    labels: { source: 'idp' },
  },
  CurfewKeyExpires: {
    series: 'curfew_api_keys{state="expiring"}',
    values: '1x90',
    labels: { state: 'expiring' },
  },
  CurfewDiskFull: { series: 'curfew_disk_free_bytes', values: '1000x90' },
  CurfewAuditTrailDamaged: { series: 'curfew_audit_trail_damaged_chains', values: '1x90' },
  CurfewAuditTrailUnchecked: {
    series: 'curfew_audit_trail_checked_timestamp_seconds',
    values: '0x3000',
    at: '2990m',
  },
  CurfewDown: { series: 'another', values: '1x90' },
}

t.test('promtool accepts alerts and panels, and each alert fires', async (t) => {
  const found = await run('promtool', ['--version']).then(
    () => true,
    ({ code }) => code !== 'ENOENT',
  )
  if (!found) return t.pass('promtool is not installed', { skip: 'promtool is not installed' })
  const alerts = join(temporaryFolder(t), 'alerts.yaml')
  writeFileSync(alerts, read('deploy/prometheus/alerts.yaml'))
  await promtool(t, ['check', 'rules', alerts])
  await promtool(t, ['check', 'rules', rulesOfPanels(t)])
  await promtool(t, ['test', 'rules', testsOf(t, alerts)])
})

async function promtool(t: Test, command: string[]): Promise<void> {
  const failure = await run('promtool', command).then(
    () => null,
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  )
  t.equal(failure, null, command.slice(0, 2).join(' '))
}

/** The queries of the dashboard as rules, with values for its variables. */
function rulesOfPanels(t: Test): string {
  const file = join(temporaryFolder(t), 'panels.yaml')
  const exprs = queries.map(({ expr }) =>
    expr.replaceAll('$__rate_interval', '5m').replaceAll('$tenant', '.*'),
  )
  const recorded = exprs.map((expr, index) => ({ record: `panel_${index}`, expr }))
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'panels', rules: recorded }] }))
  return file
}

const uniqueBy = (all: { series: string; values: string }[]) => [
  ...new Map(all.map((one) => [one.series, one])).values(),
]

/** Each alert after 89 minutes of its series; `CurfewDown` stays silent while there are metrics. */
function testsOf(t: Test, alerts: string): string {
  const file = join(temporaryFolder(t), 'tests.yaml')
  const keys = { series: 'curfew_api_keys{state="valid"}', values: '1x3000' }
  const tests = rules.map(({ alert, labels, annotations }) => {
    const { series = '', values = '', labels: own = {}, at = '89m' } = FIRING[alert] ?? {}
    const summary = annotations.summary.replaceAll(
      /\{\{ \$labels\.([a-z]+) \}\}/g,
      (_, name) => own[name] ?? '',
    )
    const exp_alerts = [{ exp_labels: { ...labels, ...own }, exp_annotations: { ...annotations, summary } }]
    const input_series = [
      { series, values },
      { series: series.replace('le="300"', 'le="+Inf"'), values },
    ]
    const alert_rule_test = [{ eval_time: at, alertname: alert, exp_alerts }]
    if (alert !== 'CurfewDown') {
      input_series.push(keys)
      alert_rule_test.push({ eval_time: at, alertname: 'CurfewDown', exp_alerts: [] })
    }
    return { interval: '1m', input_series: uniqueBy(input_series), alert_rule_test }
  })
  writeFileSync(file, JSON.stringify({ rule_files: [alerts], evaluation_interval: '1m', tests }))
  return file
}
