import { z } from 'zod'
import { atMostOne, FORMS, oneWay } from '../config-forms.ts'
import { COMMON, ISSUER, isKeyAddress, type ValueForms } from './source-schema.ts'

const ADDRESS = 'expected https://… (http on loopback only)'

/** A transmitter of security events, by the OpenID Shared Signals Framework 1.0: CAEP and RISC, pushed or polled. */
export function sharedSignals(forms: ValueForms) {
  const { given, inFile } = forms
  const schema = z.strictObject({
    kind: z.literal('shared-signals'),
    ...COMMON,
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

function transmitter({ given, inFile }: ValueForms) {
  const schema = z.strictObject({
    delivery: z.enum(['poll', 'push']).describe('How events come: Curfew asks, or they are sent to pushUrl'),
    pushUrl: z
      .string()
      .refine(isKeyAddress, ADDRESS)
      .optional()
      .describe('Where the transmitter reaches Curfew: …/sources/{name}/events'),
    token: given(FORMS.text).optional().describe('Bearer token for the transmitter'),
    tokenFile: inFile(FORMS.text).optional().describe('Path of a file that holds it'),
    configurationUrl: z
      .string()
      .refine(isKeyAddress, ADDRESS)
      .optional()
      .describe("Where its configuration is; the issuer's /.well-known/ssf-configuration when left out"),
  })
  return oneWay(schema, [['token'], ['tokenFile']]).refine(
    ({ delivery, pushUrl }) => (delivery === 'push') === (pushUrl !== undefined),
    'expected pushUrl with the delivery "push", and only with that',
  )
}

export type SharedSignalsConfig = z.infer<ReturnType<typeof sharedSignals>>
export type TransmitterConfig = NonNullable<SharedSignalsConfig['transmitter']>

/** The bearer token for the transmitter; the schema has seen to it that there is one. */
export function transmitterToken({ token, tokenFile }: TransmitterConfig): string {
  return token ?? tokenFile ?? ''
}

/** What pushes have to show beside their signature; null where that is all. */
export function pushAuthorizationOf(config: SharedSignalsConfig): string | null {
  return config.pushAuthorization ?? config.pushAuthorizationFile ?? null
}
