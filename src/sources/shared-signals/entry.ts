import { z } from 'zod'
import { atMostOne, FORMATS, oneWay, SecureAddress } from '../../base/config-formats.ts'
import type { ValueSchemas } from '../../base/source-entry.ts'
import { commonMembers, ISSUER } from '../common/entry.ts'
import { SUBJECT_MEMBERS } from '../common/subject-identifier.ts'
import type { IssuerSource } from '../token/issuer-source.ts'

/** A transmitter of the OpenID Shared Signals Framework 1.0: CAEP and RISC events, pushed or polled. */
export function sharedSignalsEntry(values: ValueSchemas) {
  const { inline, fromFile } = values
  const schema = z.strictObject({
    kind: z.literal('shared-signals'),
    ...commonMembers([...SUBJECT_MEMBERS, 'event', 'claims']),
    ...ISSUER,
    events: z
      .array(z.string().min(1).max(512))
      .min(1)
      .max(50)
      .optional()
      .describe('Event types that end sessions, as URIs; by default six types of CAEP and RISC'),
    pushAuthorization: inline(FORMATS.text)
      .optional()
      .describe('Required Authorization header of pushes; not checked by default'),
    pushAuthorizationFile: fromFile(FORMATS.text)
      .optional()
      .describe('Path of a file with the Authorization header'),
    transmitter: transmitter(values)
      .optional()
      .describe(
        'Lets Curfew create, verify and poll the stream; without it, you create a stream with push delivery',
      ),
  })
  return atMostOne(schema, ['pushAuthorization', 'pushAuthorizationFile'])
}

function transmitter(values: ValueSchemas) {
  const { inline, fromFile } = values
  const schema = z.strictObject({
    delivery: z
      .enum(['poll', 'push'])
      .describe('Delivery of events: Curfew polls, or the transmitter pushes to pushUrl'),
    pushUrl: SecureAddress.optional().describe(
      'Address at which the transmitter reaches Curfew: …/sources/{name}/events',
    ),
    streamId: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .describe('Id of the stream at the transmitter; by default Curfew finds or creates one'),
    token: inline(FORMATS.text).optional().describe('Bearer token for the transmitter'),
    tokenFile: fromFile(FORMATS.text).optional().describe('Path of a file with the bearer token'),
    oauth: oauth(values).optional().describe('OAuth client that gets access tokens, instead of a token'),
    configurationUrl: SecureAddress.optional().describe(
      "Address of its configuration; by default the issuer's /.well-known/ssf-configuration",
    ),
  })
  return oneWay(schema, [['token'], ['tokenFile'], ['oauth']]).refine(
    ({ delivery, pushUrl }) => (delivery === 'push') === (pushUrl !== undefined),
    'expected pushUrl if and only if delivery is "push"',
  )
}

/** Client credentials (RFC 6749, section 4.4), as in the CAEP interoperability profile 1.0. */
function oauth({ inline, fromFile }: ValueSchemas) {
  const schema = z.strictObject({
    tokenUrl: SecureAddress.describe('The token endpoint'),
    clientId: inline(FORMATS.text).describe('Id of the OAuth client'),
    clientSecret: inline(FORMATS.text).optional().describe("The client's secret"),
    clientSecretFile: fromFile(FORMATS.text)
      .optional()
      .describe("Path of a file that holds the client's secret"),
    scope: z
      .string()
      .min(1)
      .max(1_024)
      .optional()
      .describe('Scope of the access token, such as ssf.manage ssf.read'),
  })
  return oneWay(schema, [['clientSecret'], ['clientSecretFile']])
}

export type SharedSignalsConfig = z.infer<ReturnType<typeof sharedSignalsEntry>>
export type SharedSignalsSource = IssuerSource<SharedSignalsConfig>
export type TransmitterConfig = NonNullable<SharedSignalsConfig['transmitter']>

export type TransmitterClient = NonNullable<TransmitterConfig['oauth']>

/** The bearer token for the transmitter, or the secret of the OAuth client. The schema ensures that there is one. */
export function transmitterSecret({ token, tokenFile, oauth }: TransmitterConfig): string {
  return token ?? tokenFile ?? oauth?.clientSecret ?? oauth?.clientSecretFile ?? ''
}

/** The required Authorization header of pushes; null if none is required. */
export function pushAuthorizationOf(config: SharedSignalsConfig): string | null {
  return config.pushAuthorization ?? config.pushAuthorizationFile ?? null
}
