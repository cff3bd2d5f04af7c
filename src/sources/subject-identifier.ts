import { z } from 'zod'
import { CurfewError } from '../errors.ts'
import type { UserKind } from '../revocation/signal.ts'
import { expand } from './template.ts'

const ALIASES_AT_MOST = 20

/** A subject as templates may name it, and how its user is called where the entry says nothing of it. */
export interface NamedSubject {
  /** Its members, as `{email}`, `{iss}`, `{sub}`, `{id}`, `{uri}`, `{url}`, `{phone_number}`. */
  values: Readonly<Record<string, string>>
  /** Null where only a template of the entry can tell. */
  user: { as: UserKind; from: string } | null
}

/** This is no subject identifier. The message names what is wrong, and repeats nothing of it. */
export class SubjectError extends Error {}

const Text = z.string().min(1).max(1_024)
const Simple = z.discriminatedUnion('format', [
  z.object({ format: z.literal('account'), uri: Text }),
  z.object({ format: z.literal('email'), email: Text }),
  z.object({ format: z.literal('iss_sub'), iss: Text, sub: Text }),
  z.object({ format: z.literal('opaque'), id: Text }),
  z.object({ format: z.literal('phone_number'), phone_number: Text }),
  z.object({ format: z.literal('did'), url: Text }),
  z.object({ format: z.literal('uri'), uri: Text }),
])
type Simple = z.infer<typeof Simple>
const FORMATS: ReadonlySet<unknown> = new Set(Simple.options.map(({ shape }) => shape.format.value))

const Aliases = z.object({ identifiers: z.array(z.looseObject({})).min(1).max(ALIASES_AT_MOST) })

/**
 * The subjects that an identifier may stand for (RFC 9493; `complex` by the Shared Signals Framework 1.0):
 * one, or those of `aliases` in their order. None where it names no user: a format that is not known, or a complex one
 * that speaks of a device or a session only.
 * @throws SubjectError
 */
export function readSubject(identifier: unknown): NamedSubject[] {
  const { format, members } = formatOf(identifier)
  if (format === 'complex') return members.user === undefined ? [] : readSimpleOrAliases(members.user)
  return readSimpleOrAliases(identifier)
}

/**
 * The one of an identifier's subjects that the entry's template is complete with; without a template, the first whose
 * user can be named by itself.
 * @throws SubjectError; CURFEW_SUBJECT_UNKNOWN where there is none
 */
export function chooseSubject(
  identifier: unknown,
  template: string | undefined,
): NamedSubject & { user: { as: UserKind; from: string } } {
  for (const { values, user } of readSubject(identifier)) {
    if (template === undefined && user) return { values, user }
    if (template !== undefined && expand(template, values) !== null)
      return { values, user: user ?? { as: 'subject', from: template } }
  }
  throw new CurfewError('CURFEW_SUBJECT_UNKNOWN')
}

function readSimpleOrAliases(identifier: unknown): NamedSubject[] {
  if (formatOf(identifier).format !== 'aliases') return readSimple(identifier)
  const { data } = Aliases.safeParse(identifier)
  if (!data) throw new SubjectError(`Aliases need identifiers, from 1 to ${ALIASES_AT_MOST}.`)
  // RFC 9493, section 3.2.8: they are not nested.
  return data.identifiers.flatMap(readSimple)
}

function readSimple(identifier: unknown): NamedSubject[] {
  const { format, members } = formatOf(identifier)
  if (format === 'aliases') throw new SubjectError('Aliases must not be nested.')
  if (!FORMATS.has(format)) return []
  const { data, error } = Simple.safeParse({ ...members, format })
  if (data) return [named(data)]
  const member = String(error.issues[0]?.path[0] ?? 'format')
  throw new SubjectError(`The member ${member} of the subject is missing, or is no text that can be used.`)
}

/** Drafts called it `subject_type`, with hyphens (Google still does); some leave it out of complex subjects (Okta). */
function formatOf(identifier: unknown): { format: string; members: Record<string, unknown> } {
  const { data: members } = z.looseObject({}).safeParse(identifier)
  if (!members) throw new SubjectError('A subject is an object with a format.')
  const format = members.format ?? members.subject_type
  if (typeof format === 'string') return { format: format.replaceAll('-', '_'), members }
  if (format === undefined && 'user' in members) return { format: 'complex', members }
  throw new SubjectError('A subject needs a format.')
}

function named(subject: Simple): NamedSubject {
  const { format, ...values } = subject
  switch (subject.format) {
    case 'email':
      return { values, user: { as: 'email', from: '{email}' } }
    case 'iss_sub':
      return { values, user: { as: 'subject', from: '{sub}' } }
    case 'opaque':
      return { values, user: { as: 'subject', from: '{id}' } }
    case 'account':
      return { values: { ...values, email: addressOf(subject.uri) }, user: { as: 'email', from: '{email}' } }
    case 'phone_number':
    case 'did':
    case 'uri':
      return { values, user: null }
  }
}

/** The address in an `acct:` URI (RFC 7565). */
function addressOf(uri: string): string {
  const address = /^acct:([^@]+@[^@]+)$/i.exec(uri)?.[1]
  if (address !== undefined) {
    try {
      return decodeURIComponent(address)
    } catch {
      // No UTF-8: said below.
    }
  }
  throw new SubjectError('The uri of an account is acct:user@host.')
}
