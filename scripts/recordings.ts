import { execFile, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CurfewClient } from '../src/client/client.ts'
import { curfewEnvironment, envLines } from '../src/sandbox/curfew-environment.ts'
import { terminalSvg } from './terminal-svg.ts'

const ROOT = join(import.meta.dirname, '..')
const MAIN = join(ROOT, 'src/main.ts')

/** `npm run recordings` runs these sessions, and draws what a terminal shows. A test runs them, too, and compares. */
export const RECORDINGS = [
  { file: 'docs/demo.svg', title: 'npm run demo', record: recordDemo },
  { file: 'docs/doctor-and-why.svg', title: 'curfew doctor and curfew why', record: recordQuestions },
]

/** The demo, without the answers in JSON and the commands to try. */
async function recordDemo(): Promise<string> {
  const { output } = await runNode([join(ROOT, 'src/sandbox/demo.ts')], { cwd: ROOT })
  const [proof = ''] = output.split('\n\nTry it yourself')
  return `$ npm run demo\n${proof.replaceAll(/^\{\n[\s\S]*?^\}$/gm, '{ … }')}\n`
}

/** Doctor finds a mistake in a source, and `why` explains the logout of a user that another source reported. */
async function recordQuestions(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-recording-'))
  const started: Part[] = []
  const start = async (...args: Parameters<typeof startPart>) => {
    const part = await startPart(...args)
    started.push(part)
    return part
  }
  try {
    const secret = `whsec_${randomBytes(24).toString('base64')}`
    const tenant = await start(
      ['sandbox', '--port', '0', '--idp-port', '0', '--source-secret', secret],
      folder,
    )
    const environment = curfewEnvironment({
      url: tenant.url,
      clientId: 'curfew',
      clientSecret: 'sandbox-secret',
    })
    const sources = await sourcesOf(tenant.url)
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ sources }))
    writeFileSync(join(folder, '.env'), `${envLines(environment)}\nCONFIG_FILE=config.json\nPORT=0\n`)
    const service = await start(['serve', '--env', '.env'], folder)
    const access = { CURFEW_URL: service.url, CURFEW_API_KEY: String(environment.API_KEYS) }
    await logOut(tenant.url, service.url)
    await untilVerified(new CurfewClient({ url: service.url, apiKey: access.CURFEW_API_KEY }))
    const names = [
      [service.url, 'http://127.0.0.1:3000'],
      [new URL(String(sources[0]?.issuer)).origin, 'https://acme.eu.auth0.com'],
    ] as const
    let session = ''
    for (const args of [
      ['doctor', '--env', '.env'],
      ['why', 'ann@example.com'],
    ]) {
      const { output } = await runNode([MAIN, ...args], { cwd: folder, env: access })
      session += `${session && '\n'}$ curfew ${args.join(' ')}\n${output}`
    }
    return names.reduce((text, [own, shown]) => text.replaceAll(own, shown), session)
  } finally {
    for (const { stop } of started) await stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A source with a mistake that is easily made, a slash too many, and one without. */
async function sourcesOf(tenantUrl: string): Promise<Record<string, unknown>[]> {
  const { sources } = (await (await fetch(`${tenantUrl}/sandbox/sources`)).json()) as {
    sources: Record<string, unknown>[]
  }
  const of = (kind: string) => sources.find((one) => one.kind === kind)
  const login = of('oidc-back-channel-logout')
  return [
    { ...login, name: 'login', issuer: `${login?.issuer}/` },
    { ...of('clerk'), name: 'users' },
  ]
}

async function logOut(tenantUrl: string, curfewUrl: string): Promise<void> {
  const body = JSON.stringify({ kind: 'clerk', source: 'users', user: 'ann@example.com', curfew: curfewUrl })
  const headers = { 'content-type': 'application/json' }
  await fetch(`${tenantUrl}/sandbox/signals`, { method: 'POST', headers, body })
}

async function untilVerified(client: CurfewClient): Promise<void> {
  for (;;) {
    const { items } = await client.call<{ items: { id: string; verified: boolean }[] }>('GET', '/revocations')
    if (items[0]?.verified) return
    await client.call('GET', `/revocations/${items[0]?.id}`, { waitSeconds: 20 })
  }
}

interface Part {
  url: string
  stop: () => Promise<void>
}

/** Starts a command that listens. */
async function startPart(args: string[], cwd: string): Promise<Part> {
  const child = fork(MAIN, args, {
    cwd,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const failed = ended.then(() => Promise.reject(new Error(`${args[0]} exited before it listened.`)))
  failed.catch(() => {})
  const [message] = await Promise.race([once(child, 'message'), failed])
  return {
    url: String(message.url),
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Runs a program to its end, with colors as on a terminal. */
function runNode(args: string[], { cwd, env = {} }: { cwd: string; env?: Record<string, string> }) {
  return new Promise<{ output: string }>((resolve) => {
    const environment = { PATH: process.env.PATH, FORCE_COLOR: '1', ...env }
    execFile(process.execPath, args, { cwd, env: environment }, (_, stdout, stderr) =>
      resolve({ output: stdout + stderr }),
    )
  })
}

if (import.meta.main)
  for (const { file, title, record } of RECORDINGS)
    writeFileSync(join(ROOT, file), terminalSvg(await record(), title))
