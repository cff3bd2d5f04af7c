import { FORMATS } from '../../../base/config-formats.ts'
import { valueAt } from '../../common/template.ts'
import { type NamedPreset, one } from '../preset.ts'
import { standardWebhooks, staticHeader } from '../verifiers.ts'

const isSigning = (secret: string) => FORMATS.svixSecret.isValid(secret)

const ROW = '{type}:{schema}.{table}:{/old_record/id}'

/**
 * Supabase: database webhooks on its tables of sessions and users (https://supabase.com/docs/guides/database/webhooks),
 * authenticated by a header, or signed by a trigger like its auth hooks
 * (https://supabase.com/docs/guides/auth/auth-hooks). Hosted projects may have triggers on both tables, too
 * (https://supabase.com/changelog/34270-restricting-access-on-auth-storage-and-realtime-schemas-on-april-21-2025). The
 * format of the secret selects the proof, so that one is never accepted in place of the other.
 */
export const supabase: NamedPreset = {
  secret: {
    isValid: (text) => isSigning(text) || (FORMATS.sharedSecret.isValid(text) && !/^(v1,)?whsec_/.test(text)),
    expected:
      'expected v1,whsec_… for signed webhooks, or 16 to 512 printable characters for the header Authorization',
  },
  verifier: ({ secrets }) => {
    const signing = standardWebhooks(secrets.filter(isSigning))
    const bearer = staticHeader(
      'Authorization',
      secrets.filter((secret) => !isSigning(secret)),
    )
    const isSigned = (headers: NodeJS.Dict<string[]>) => 'webhook-id' in headers
    return (request) => (isSigned(request.headers) ? signing(request) : bearer(request))
  },
  items: one,
  normalize: (event) => {
    const isUser = event.table === 'users'
    return { ...event, user_id: valueAt(event, isUser ? '/old_record/id' : '/old_record/user_id') }
  },
  type: '{type} {schema}.{table}',
  events: { 'DELETE auth.sessions': 'logout', 'DELETE auth.users': 'security' },
  user: { as: 'subject', from: '{user_id}' },
  // The same row may change several times before it is deleted.
  ids: [`${ROW}:{/old_record/updated_at}`, ROW],
  answer: 200,
}
