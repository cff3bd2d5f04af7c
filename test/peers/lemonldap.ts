import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt, exportPKCS8, exportSPKI, generateKeyPair } from 'jose'
import type { Test } from 'tap'
import { freePort } from '../support/free-port.ts'
import { temporaryFolder } from '../support/service.ts'
import { openBrowser, type Peer, startPeer } from './peer.ts'

const REDIRECT = 'https://portal.example/callback'
const SECRET = 'a-secret-of-the-client'

/** Its version and templates, wherever Perl finds it: a package unpacked into a folder is found through `PERL5LIB`. */
const PROBE = `
  require Lemonldap::NG::Portal;
  require Lemonldap::NG::Portal::Main;
  require Lemonldap::NG::Portal::Issuer::OpenIDConnect;
  my ($share) = $INC{'Lemonldap/NG/Portal/Main.pm'} =~ m{^(.*)/perl5/};
  print "$Lemonldap::NG::Portal::VERSION $share/lemonldap-ng/portal/templates";`
const probe = spawnSync('perl', ['-e', PROBE], { encoding: 'utf8' })
const [version = '', templates = ''] = probe.status === 0 ? probe.stdout.split(' ') : []

export const lemonLdapIsMissing = missing()

/** Back-channel logouts begin with 2.17.0. Debian 12 has 2.16, and a later version in bookworm-backports. */
function missing(): string | false {
  if (version === '') return 'LemonLDAP::NG is not installed (Debian: lemonldap-ng, libstring-random-perl)'
  return (
    Number(version.split('.')[1]) < 17 && `LemonLDAP::NG ${version} sends no back-channel logouts, 2.17 does`
  )
}

export interface LemonLdap extends Peer {
  issuer: string
  /** Logs a user of its demonstration in at the client. */
  logIn(user: string): Promise<{ sub: string; sid: string; logOut(): Promise<void> }>
}

export interface LemonLdapOptions {
  client: string
  keyType: 'RSA' | 'EC'
  logoutUri: string
}

/** The portal on loopback with its sessions in a temporary folder: one process that serves one request at a time. */
export async function startLemonLdap(t: Test, options: LemonLdapOptions): Promise<LemonLdap> {
  const folder = temporaryFolder(t)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  writeFileSync(join(folder, 'lmConf-1.json'), JSON.stringify(await configuration(folder, url, options)))
  writeFileSync(join(folder, 'lemonldap-ng.ini'), '[all]\n[configuration]\n')
  writeFileSync(join(folder, 'portal.psgi'), PORTAL)
  const server = ['--server', 'HTTP::Server::PSGI', '--host', '127.0.0.1', '--port', String(port)]
  const peer = await startPeer(t, `${url}/ping`, ['plackup', ...server, join(folder, 'portal.psgi')], {
    LLNG_FOLDER: folder,
    LLNG_TEMPLATES: templates,
  })
  return { ...peer, issuer: `${url}/`, logIn: (user) => logIn(url, options.client, user) }
}

const PORTAL = `
  use Lemonldap::NG::Portal::Main;
  Lemonldap::NG::Portal::Main->run({
    configStorage => {
      type => 'File', dirName => $ENV{LLNG_FOLDER}, confFile => "$ENV{LLNG_FOLDER}/lemonldap-ng.ini",
    },
    logger => 'Lemonldap::NG::Common::Logger::Std', logLevel => 'info',
    templateDir => $ENV{LLNG_TEMPLATES}, staticPrefix => '/static', languages => 'en',
  });`

/** The authorization code flow, after which the portal notifies the client of the logout. */
async function logIn(url: string, client: string, user: string) {
  const browser = openBrowser()
  await browser(url, { method: 'POST', body: new URLSearchParams({ user, password: user }) })
  const query = new URLSearchParams({
    ...{ response_type: 'code', client_id: client, redirect_uri: REDIRECT },
    ...{ scope: 'openid', state: 'a-state' },
  })
  const { headers } = await browser(`${url}/oauth2/authorize?${query}`)
  const code = /[?&]code=([^&]+)/.exec(headers.get('location') ?? '')?.[1] ?? ''
  const response = await fetch(`${url}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${client}:${SECRET}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: REDIRECT }),
  })
  const answer = await response.json()
  const { sub = '', sid } = decodeJwt(Object(answer).id_token)
  return {
    sub,
    sid: String(sid),
    async logOut() {
      await browser(`${url}/?logout=1`)
    },
  }
}

async function configuration(folder: string, url: string, { client, keyType, logoutUri }: LemonLdapOptions) {
  const alg = keyType === 'RSA' ? 'RS256' : 'ES256'
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const options = {
    ClientID: client,
    ClientSecret: SECRET,
    RedirectUris: REDIRECT,
    BypassConsent: 1,
    IDTokenSignAlg: alg,
    // Also that of logout tokens.
    AccessTokenSignAlg: alg,
    LogoutUrl: logoutUri,
    LogoutType: 'back',
    LogoutSessionRequired: 1,
  }
  const prefixed = Object.entries(options).map(([name, value]) => [`oidcRPMetaDataOptions${name}`, value])
  return {
    ...{ cfgNum: 1, cfgAuthor: 'test', cfgDate: '1700000000', cfgVersion: version },
    ...{ portal: `${url}/`, domain: '127.0.0.1', cookieName: 'lemonldap', securedCookie: 0, requireToken: 0 },
    ...{ authentication: 'Demo', userDB: 'Same', passwordDB: 'Null', registerDB: 'Null' },
    ...{ captcha_mail_enabled: 0, captcha_register_enabled: 0 },
    ...{ portalDisplayRegister: 0, portalDisplayResetPassword: 0, portalDisplayChangePassword: 0 },
    demoExportedVars: { cn: 'cn', mail: 'mail', uid: 'uid' },
    locationRules: { '127.0.0.1': { default: 'accept' } },
    ...storage('globalStorage', join(folder, 'sessions')),
    ...storage('persistentStorage', join(folder, 'persistent')),
    issuerDBOpenIDConnectActivation: 1,
    oidcServicePrivateKeySig: await exportPKCS8(privateKey),
    oidcServicePublicKeySig: await exportSPKI(publicKey),
    ...{ oidcServiceKeyIdSig: 'first', oidcServiceKeyTypeSig: keyType },
    oidcRPMetaDataOptions: { portal: Object.fromEntries(prefixed) },
    oidcRPMetaDataExportedVars: { portal: { email: 'mail' } },
  }
}

function storage(name: string, directory: string) {
  mkdirSync(directory)
  return {
    [name]: 'Apache::Session::File',
    [`${name}Options`]: { Directory: directory, LockDirectory: directory },
  }
}
