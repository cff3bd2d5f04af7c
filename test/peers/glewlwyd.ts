import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { exportPKCS8, exportSPKI, generateKeyPair } from 'jose'
import type { Test } from 'tap'
import { freePort } from '../support/free-port.ts'
import { temporaryFolder } from '../support/service.ts'
import { openBrowser, runs, startPeer } from './peer.ts'

/** The tables and the administrator, from Debian's package `glewlwyd-common`. */
const SCHEMA = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3'
const ADMINISTRATOR = { username: 'admin', password: 'password' }
const REDIRECT = 'https://portal.example/callback'
const PLUGIN = 'oidc'

export const glewlwydIsMissing =
  !runs('glewlwyd', '--version') && 'Glewlwyd is not installed (Debian: glewlwyd)'

export interface Glewlwyd {
  issuer: string
  /** Registers a client with this logout URL. */
  addClient(id: string, logoutUri: string): Promise<void>
  /** Logs a user in at the client. Creates the user first if necessary. */
  logIn(username: string, client: string): Promise<{ sub: string; sid: string; logOut(): Promise<void> }>
}

/** Glewlwyd on loopback with its database in a temporary folder, and an OpenID plugin that signs with this algorithm. */
export async function startGlewlwyd(t: Test, type: 'rsa' | 'ecdsa'): Promise<Glewlwyd> {
  const folder = temporaryFolder(t)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const database = new DatabaseSync(join(folder, 'glewlwyd.db'))
  database.exec(readFileSync(SCHEMA, 'utf8'))
  database.close()
  writeFileSync(join(folder, 'glewlwyd.conf'), configuration(folder, url, port))
  await startPeer(t, `${url}/api/${PLUGIN}/`, ['glewlwyd', '--config-file', join(folder, 'glewlwyd.conf')])

  const administrator = openBrowser()
  await post(administrator, `${url}/api/auth/`, ADMINISTRATOR)
  await post(administrator, `${url}/api/mod/plugin/`, await plugin(url, type))
  const users = new Set<string>()
  return {
    issuer: `${url}/api/${PLUGIN}`,
    addClient: (id, logoutUri) =>
      post(administrator, `${url}/api/client/`, {
        client_id: id,
        enabled: true,
        redirect_uri: [REDIRECT],
        authorization_type: ['id_token'],
        backchannel_logout_uri: logoutUri,
        backchannel_logout_session_required: 'true',
      }),
    async logIn(username, client) {
      const password = 'password of the user'
      if (!users.has(username)) {
        const user = { username, password, enabled: true, scope: ['openid', 'g_profile'] }
        await post(administrator, `${url}/api/user/`, user)
        users.add(username)
      }
      const browser = openBrowser()
      await post(browser, `${url}/api/auth/`, { username, password })
      await post(browser, `${url}/api/auth/grant/${client}`, { scope: 'openid' }, 'PUT')
      const query = new URLSearchParams({
        ...{ response_type: 'id_token', g_continue: '', client_id: client, redirect_uri: REDIRECT },
        ...{ scope: 'openid', state: 'a-state', nonce: 'a-nonce' },
      })
      const { headers } = await browser(`${url}/api/${PLUGIN}/auth?${query}`)
      const idToken = /id_token=([^&]+)/.exec(headers.get('location') ?? '')?.[1]
      if (!idToken) throw new Error(`no ID token: ${headers.get('location')}`)
      const { sub, sid } = JSON.parse(Buffer.from(idToken.split('.')[1] ?? '', 'base64url').toString())
      const logOut = () => post(browser, `${url}/api/${PLUGIN}/session/${sid}`, undefined, 'DELETE')
      return { sub, sid, logOut }
    },
  }
}

async function post(
  browser: ReturnType<typeof openBrowser>,
  url: string,
  body: unknown,
  method = 'POST',
): Promise<void> {
  const content = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await browser(url, {
    method,
    headers: { 'content-type': 'application/json' },
    ...content,
  })
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`)
}

function configuration(folder: string, url: string, port: number): string {
  const settings = {
    ...{ bind_address: '127.0.0.1', external_url: url, login_url: 'login.html', api_prefix: 'api' },
    ...{ log_mode: 'console', log_level: 'INFO', hash_algorithm: 'SHA512' },
    ...{ admin_scope: 'g_admin', profile_scope: 'g_profile', session_key: 'GLEWLWYD_SESSION' },
    user_module_path: '/usr/lib/glewlwyd/user',
    client_module_path: '/usr/lib/glewlwyd/client',
    user_auth_scheme_module_path: '/usr/lib/glewlwyd/scheme',
    plugin_module_path: '/usr/lib/glewlwyd/plugin',
  }
  return [
    `port = ${port}`,
    ...Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}`),
    `database = { type = "sqlite3", path = ${JSON.stringify(join(folder, 'glewlwyd.db'))} };`,
  ].join('\n')
}

/** The parameters of the OpenID plugin that issuing ID tokens and logout tokens needs. */
async function plugin(url: string, type: 'rsa' | 'ecdsa') {
  const { privateKey, publicKey } = await generateKeyPair(type === 'rsa' ? 'RS256' : 'ES256', {
    extractable: true,
  })
  return {
    ...{ module: 'oidc', name: PLUGIN, display_name: 'OpenID', enabled: true },
    parameters: {
      iss: `${url}/api/${PLUGIN}`,
      ...{ 'jwt-type': type, 'jwt-key-size': '256', 'jwks-show': true },
      ...{ key: await exportPKCS8(privateKey), cert: await exportSPKI(publicKey) },
      ...{ 'access-token-duration': 3600, 'refresh-token-duration': 1_209_600, 'code-duration': 600 },
      ...{ 'allow-non-oidc': true, 'auth-type-id-token-enabled': true },
      ...{
        'auth-type-code-enabled': true,
        'auth-type-token-enabled': true,
        'auth-type-implicit-enabled': true,
      },
      ...{
        'auth-type-client-enabled': false,
        'auth-type-password-enabled': false,
        'auth-type-refresh-enabled': true,
      },
      ...{ 'session-management-allowed': true, 'back-channel-logout-allowed': true },
      ...{ 'session-cookie-name': 'GLEWLWYD_OIDC_SID', 'session-cookie-expiration': 2_419_200 },
    },
  }
}
