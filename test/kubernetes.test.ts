import { execFile } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { Environment, SECRETS } from '../src/config/environment.ts'
import { mistakesOf } from './support/configuration.ts'
import { imageArguments, imageEnvironment, ROOT, read } from './support/deployment.ts'
import { startService, temporaryFolder } from './support/service.ts'

// Parsed YAML of many shapes; the schemas check it.
// biome-ignore lint/suspicious/noExplicitAny: a test's view of YAML
type Manifest = any

const FOLDER = 'deploy/kubernetes'

const kustomization: Manifest = parse(read(`${FOLDER}/kustomization.yaml`))
const manifests: Manifest[] = kustomization.resources.flatMap((file: string) =>
  parseAllDocuments(read(`${FOLDER}/${file}`)).map((document) => document.toJS()),
)
const theOnly = (kind: string): Manifest => {
  const [found, ...others] = manifests.filter((manifest) => manifest.kind === kind)
  if (!found || others.length > 0) throw new Error(`expected one ${kind}`)
  return found
}

const deployment = theOnly('Deployment')
const pod = deployment.spec.template.spec
const [container] = pod.containers
const environment = new Map<string, string>(
  container.env.map(({ name, value }: { name: string; value: string }) => [name, value]),
)
const SELECTOR = { 'app.kubernetes.io/name': 'curfew' }

t.test('kustomization.yaml lists every manifest', async (t) => {
  const files = readdirSync(join(ROOT, FOLDER)).filter((file) => file.endsWith('.yaml'))
  const others = files.filter((file) => !kustomization.resources.includes(file))
  t.same(others.sort(), ['kustomization.yaml', 'prometheus-adapter.values.yaml'])
  const kinds = manifests.map(({ kind }) => kind)
  t.same(kinds, [
    'ServiceAccount',
    'Secret',
    'Secret',
    'NetworkPolicy',
    'Deployment',
    'Service',
    'PodDisruptionBudget',
    'HorizontalPodAutoscaler',
  ])
})

t.test(
  'every manifest is valid according to the schema of its kind and has no unknown members',
  async (t) => {
    for (const manifest of manifests) t.equal(await invalidBySchema(manifest), null, manifest.kind)
    t.same(await invalidByType(t, manifests), [])
  },
)

t.test('the checks find mistakes in manifests', async (t) => {
  const broken = (change: (manifest: Manifest) => void): Manifest => {
    const copy = structuredClone(deployment)
    change(copy.spec)
    return copy
  }
  const bySchema = [
    broken((spec) => delete spec.selector),
    broken((spec) => Object.assign(spec, { replicas: 'two' })),
    broken((spec) => Object.assign(spec.template.spec.containers[0].resources.limits, { memory: 'much' })),
  ]
  for (const manifest of bySchema) t.type(await invalidBySchema(manifest), 'string')
  const byType = [
    deployment,
    broken((spec) => Object.assign(spec, { replica: 2 })),
    broken((spec) => Object.assign(spec.template.spec.containers[0].livenessProbe, { treshold: 3 })),
    broken((spec) => Object.assign(spec.template.spec.containers[0].securityContext, { readonly: true })),
  ]
  t.same(await invalidByType(t, byType), [1, 2, 3])
})

t.test('all selectors and labels select the same pods', async (t) => {
  t.same(deployment.spec.template.metadata.labels, SELECTOR)
  t.same(deployment.spec.selector.matchLabels, SELECTOR)
  t.same(theOnly('Service').spec.selector, SELECTOR)
  t.same(theOnly('PodDisruptionBudget').spec.selector.matchLabels, SELECTOR)
  t.same(theOnly('NetworkPolicy').spec.podSelector.matchLabels, SELECTOR)
  for (const { labelSelector } of pod.topologySpreadConstraints) t.same(labelSelector.matchLabels, SELECTOR)
  t.match(theOnly('HorizontalPodAutoscaler').spec.scaleTargetRef, {
    apiVersion: deployment.apiVersion,
    kind: deployment.kind,
    name: deployment.metadata.name,
  })
  t.equal(pod.serviceAccountName, theOnly('ServiceAccount').metadata.name)
  for (const { metadata } of manifests) t.same(metadata.labels, SELECTOR)
})

t.test('every key is a known configuration key, and every secret is a file', async (t) => {
  const known = [...Object.keys(Environment.shape), ...SECRETS.map((key) => `${key}_FILE`)]
  t.same(
    [...environment.keys()].filter((key) => !known.includes(key)),
    [],
  )
  for (const key of SECRETS) t.notOk(environment.get(key), `${key} is not in the environment`)
  t.notOk(container.envFrom)
  t.ok(imageEnvironment().DATABASE_URL)
  t.equal(environment.get('DATABASE_URL'), '', "unsets the image's default")
})

t.test('every configured file is in a mounted Secret', async (t) => {
  const files = [...environment].filter(([key]) => key.endsWith('_FILE'))
  t.same(files.map(([key]) => key).sort(), [
    'API_KEYS_FILE',
    'CONFIG_FILE',
    'DATABASE_URL_FILE',
    'WEBHOOK_SECRETS_FILE',
  ])
  const available = container.volumeMounts.flatMap(({ name, mountPath, subPath, readOnly }: Manifest) => {
    t.ok(readOnly)
    t.notOk(subPath, 'a subPath does not receive updates')
    const { secret } = pod.volumes.find((volume: Manifest) => volume.name === name)
    t.equal(secret.defaultMode, 0o440)
    const found = manifests.find(
      ({ kind, metadata }) => kind === 'Secret' && metadata.name === secret.secretName,
    )
    return Object.keys(found.stringData).map((key) => `${mountPath}/${key}`)
  })
  t.same(files.map(([, path]) => path).sort(), available.sort(), 'the Secrets contain no other files')
})

t.test('the placeholders are rejected', async (t) => {
  const { stringData } = manifests.find(
    ({ kind, metadata }) => kind === 'Secret' && metadata.name === 'curfew',
  )
  const mistakes = await mistakesOf({
    API_KEYS: stringData['api-keys'],
    WEBHOOK_SECRETS: stringData['webhook-secrets'],
    DATABASE_URL: stringData['database-url'],
  })
  t.same(mistakes.map(({ key }) => key).sort(), ['API_KEYS', 'DATABASE_URL', 'WEBHOOK_SECRETS'])
})

t.test("probes use existing routes of the operators' listener", async (t) => {
  const { operatorsUrl } = await startService(t, { environment: { OPS_PORT: '0' } })
  const { startupProbe, livenessProbe, readinessProbe } = container
  const paths = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)
  t.same(paths, ['/health/live', '/health/live', '/health/ready'])
  for (const path of paths) t.equal((await fetch(`${operatorsUrl}${path}`)).status, 200)
  const [forSenders, forOperators] = container.ports
  for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe])
    t.equal(httpGet.port, forOperators.name)
  t.equal(environment.get('OPS_PORT'), String(forOperators.containerPort))
  t.equal(environment.get('OPS_HOST'), imageEnvironment().HOST)
  t.same(theOnly('Service').spec.ports, [{ name: 'http', port: 80, targetPort: forSenders.name }])
  t.same(imageArguments('EXPOSE'), [String(forSenders.containerPort)])
  t.equal(environment.get('PORT') ?? imageEnvironment().PORT, String(forSenders.containerPort))
  t.same(
    theOnly('NetworkPolicy').spec.ingress.map(({ ports }: Manifest) => ports),
    [[{ port: forSenders.containerPort }], [{ port: forOperators.containerPort }]],
    'senders cannot reach the port of operators',
  )
})

t.test('a pod has enough time for a graceful shutdown', async (t) => {
  const { SHUTDOWN_DRAIN_MS, SHUTDOWN_GRACE_MS } = Environment.shape
  const drainMs = SHUTDOWN_DRAIN_MS.parse(Number(environment.get('SHUTDOWN_DRAIN_MS')))
  const graceMs = SHUTDOWN_GRACE_MS.parse(Number(environment.get('SHUTDOWN_GRACE_MS')))
  t.ok(drainMs >= 5_000)
  t.ok(pod.terminationGracePeriodSeconds * 1_000 >= drainMs + graceMs + 5_000)
  t.match(deployment.spec.strategy, { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0 } })
})

t.test('at least one replica stays available', async (t) => {
  const autoscaler = theOnly('HorizontalPodAutoscaler').spec
  t.ok(deployment.spec.replicas > theOnly('PodDisruptionBudget').spec.maxUnavailable)
  t.equal(autoscaler.minReplicas, deployment.spec.replicas)
  t.ok(autoscaler.maxReplicas > autoscaler.minReplicas)
})

t.test('nothing runs as root or can become root', async (t) => {
  t.same(imageArguments('USER'), ['node'], 'uid 1000 in the base image')
  t.match(pod.securityContext, {
    runAsNonRoot: true,
    runAsUser: 1000,
    runAsGroup: 1000,
    seccompProfile: { type: 'RuntimeDefault' },
  })
  t.equal(pod.containers.length, 1)
  t.notOk(pod.initContainers)
  t.same(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  t.equal(pod.automountServiceAccountToken, false)
  t.equal(theOnly('ServiceAccount').automountServiceAccountToken, false)
  t.notOk(pod.hostNetwork ?? pod.hostPID ?? pod.hostIPC)
  t.ok(pod.volumes.every((volume: Manifest) => volume.secret))
})

t.test('the autoscaler uses a metric that the adapter derives from a metric of Curfew', async (t) => {
  const { rules } = parse(read(`${FOLDER}/prometheus-adapter.values.yaml`))
  const [{ seriesQuery, name, metricsQuery }] = rules.external
  const [{ external }] = theOnly('HorizontalPodAutoscaler').spec.metrics
  t.equal(external.metric.name, name.as)
  t.match(seriesQuery, /^curfew_backlog\{/)
  const { call } = await startService(t)
  const { text } = await call('GET', '/metrics')
  t.match(text, /^curfew_backlog\{tenant="default",status="queued"\} 0$/m)
  t.match(text, /^curfew_budget_remaining\{tenant="default",client="[^"]+",tier="2"\} \d+$/m)
  // Every replica reports the same numbers: take the maximum per tenant, not the sum.
  const query = metricsQuery.replace(/\s+/g, ' ')
  t.match(query, 'sum( max by (tenant) (curfew_backlog{status="queued",<<.LabelMatchers>>})')
  t.match(query, 'max by (tenant) (curfew_budget_remaining{tier="2",<<.LabelMatchers>>}) > 0')
})

t.test('the image is that of Curfew, in this version', async (t) => {
  const [image] = kustomization.images
  t.equal(image.name, container.image)
  t.equal(image.newTag, JSON.parse(read('package.json')).version)
})

/** The error of the schema: invalid forms and missing members. The schema ignores unknown members. */
async function invalidBySchema(manifest: Manifest): Promise<string | null> {
  const models = await import(`kubernetes-models/${manifest.apiVersion}`)
  try {
    new models[manifest.kind](manifest).validate()
    return null
  } catch (error) {
    return String(error)
  }
}

/** The indexes of manifests with unknown members or wrong types, according to the compiler. */
async function invalidByType(t: Test, all: Manifest[]): Promise<number[]> {
  const folder = temporaryFolder(t)
  const file = join(folder, 'manifests.ts')
  const models = join(ROOT, 'node_modules/kubernetes-models')
  const lines = all.map(({ apiVersion, kind, ...rest }, index) => {
    const type = `import('${models}/${apiVersion}/${kind}.js').I${kind}`
    return `export const m${index}: ${type} = ${JSON.stringify({ apiVersion, kind, ...rest })}`
  })
  writeFileSync(file, lines.join('\n'))
  const compiler = join(ROOT, 'node_modules/typescript/lib/tsc.js')
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--pretty', 'false']
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [compiler, ...options, file], {
    cwd: folder,
  }).catch((error) => error)
  const mistaken = [...stdout.matchAll(/^manifests\.ts\((\d+),/gm)].map((match) => Number(match[1]) - 1)
  if (`${stdout}${stderr}` !== '' && mistaken.length === 0) throw new Error(`${stdout}${stderr}`)
  return [...new Set(mistaken)]
}
