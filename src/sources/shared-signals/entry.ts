import { z } from 'zod'
import { atMostOne, FORMS, oneWay, SecureAddress } from '../../base/config-forms.ts'
import type { ValueForms } from '../../base/source-entry.ts'
import { commonMembers, ISSUER } from '../common/entry.ts'
import { SUBJECT_MEMBERS } from '../common/subject-identifier.ts'
import type { IssuerSource } from '../token/issuer-source.ts'

/** A transmitter of security events, by the OpenID Shared Signals Framework 1.0: CAEP and RISC, pushed or polled. */
export function sharedSignalsEntry(forms: ValueForms) {
  const { given, inFile } = forms
  const schema = z.strictObject({
    kind: z.literal('shared-signals'),
    ...commonMembers([...SUBJECT_MEMBERS, 'event', 'claims']),
    ...ISSUER,
    events: z
      .array(z.string().min(1).max(512))
      .min(1)
      .max(50)
      .optional()
      .describe('Types of the events that end sessions, as URIs; the usual ones when left out'),
    pushAuthorization: given(FORMS.text)
      .optional()
      .describe('The header Authorization that pushes must have; any when left out'),
    pushAuthorizationFile: inFile(FORMS.text).optional().describe('Path of a file that holds it'),
    transmitter: transmitter(forms)
      .optional()
      .describe('Lets Curfew create the stream and verify it, and poll it; left out, you do that, by push'),
  })
  return atMostOne(schema, ['pushAuthorization', 'pushAuthorizationFile'])
}

function transmitter(forms: ValueForms) {
  const { given, inFile } = forms
  const schema = z.strictObject({
    delivery: z.enum(['poll', 'push']).describe('How events come: Curfew asks, or they are sent to pushUrl'),
    pushUrl: SecureAddress.optional().describe(
      'Where the transmitter reaches Curfew: …/sources/{name}/events',
    ),
    streamId: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .describe('The stream to use, by its id at the transmitter; found or created when left out'),
    token: given(FORMS.text).optional().describe('Bearer token for the transmitter'),
    tokenFile: inFile(FORMS.text).optional().describe('Path of a file that holds it'),
    oauth: oauth(forms).optional().describe('In place of a token: where Curfew gets one, and by what'),
    configurationUrl: SecureAddress.optional().describe(
      "Where its configuration is; the issuer's /.well-known/ssf-configuration when left out",
    ),
  })
  return oneWay(schema, [['token'], ['tokenFile'], ['oauth']]).refine(
    ({ delivery, pushUrl }) => (delivery === 'push') === (pushUrl !== undefined),
    'expected pushUrl with the delivery "push", and only with that',
  )
}

/** Client credentials (RFC 6749, section 4.4), as the CAEP interoperability profile 1.0 has it. */
function oauth({ given, inFile }: ValueForms) {
  const schema = z.strictObject({
    tokenUrl: SecureAddress.describe('The token endpoint'),
    clientId: given(FORMS.text).describe('Id of the OAuth client'),
    clientSecret: given(FORMS.text).optional().describe("The client's secret"),
    clientSecretFile: inFile(FORMS.text).optional().describe("Path of a file that holds the client's secret"),
    scope: z
      .string()
      .min(1)
      .max(1_024)
      .optional()
      .describe('Scope of the access token, as ssf.manage ssf.read'),
  })
  return oneWay(schema, [['clientSecret'], ['clientSecretFile']])
}

export type SharedSignalsConfig = z.infer<ReturnType<typeof sharedSignalsEntry>>
export type SharedSignalsSource = IssuerSource<SharedSignalsConfig>
export type TransmitterConfig = NonNullable<SharedSignalsConfig['transmitter']>

export type TransmitterClient = NonNullable<TransmitterConfig['oauth']>

/** The bearer token for the transmitter, or the secret of its OAuth client; the schema has seen to it that there is one. */
export function transmitterSecret({ token, tokenFile, oauth }: TransmitterConfig): string {
  return token ?? tokenFile ?? oauth?.clientSecret ?? oauth?.clientSecretFile ?? ''
}

/** What pushes have to show beside their signature; null where that is all. */
export function pushAuthorizationOf(config: SharedSignalsConfig): string | null {
  return config.pushAuthorization ?? config.pushAuthorizationFile ?? null
}
