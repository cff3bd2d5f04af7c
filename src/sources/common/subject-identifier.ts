import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import type { UserKind } from '../../revocation/signal.ts'
import type { Statement } from './source-signal.ts'
import { expand } from './template.ts'

const MAX_ALIASES = 20

/** A subject: its members for templates, and the default mapping to a user. */
export interface NamedSubject {
  /** Its members: `{email}`, `{iss}`, `{sub}`, `{id}`, `{uri}`, `{url}`, `{phone_number}`. */
  values: Readonly<Record<string, string>>
  /** Null if the entry needs a template to map it to a user. */
  user: { as: UserKind; from: string } | null
}

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

/** The members for templates: those of the subject's format, and `subject`, the whole identifier. */
export const SUBJECT_MEMBERS = ['email', 'iss', 'sub', 'id', 'uri', 'url', 'phone_number', 'subject'] as const

const Aliases = z.object({ identifiers: z.array(z.looseObject({})).min(1).max(MAX_ALIASES) })

/**
 * Reads the subjects of an identifier (RFC 9493; `complex` is defined by the Shared Signals Framework 1.0): one, or
 * those of `aliases` in their order. Empty if it names no user: its format is unknown, or it is complex and names only
 * a device or a session.
 * @throws CURFEW_SUBJECT_INVALID
 */
export function readSubject(identifier: unknown): NamedSubject[] {
  const { format, members } = formatOf(identifier)
  if (format === 'complex') return members.user === undefined ? [] : readSimpleOrAliases(members.user)
  return readSimpleOrAliases(identifier)
}

/** The members of an entry that decide how subjects map to users. */
export interface SubjectRules {
  /** A subject of another issuer (`iss`) may be another person: only a template accepts it. */
  issuer: string
  user?: { as: UserKind; from?: string | undefined } | undefined
}

/**
 * Chooses the user of an identifier, for `sourceSignal`. With a template in the entry: the first subject that has all
 * members the template names. Without a template: the first subject with a default mapping; among aliases, subjects of
 * the kind that the entry requests come first.
 * @param context values for templates, in addition to the subject's members and the whole identifier (`subject`)
 * @throws CURFEW_SUBJECT_INVALID; CURFEW_SUBJECT_UNKNOWN if it names no user
 */
export function chooseSubject(
  identifier: unknown,
  { issuer, user }: SubjectRules,
  context: Readonly<Record<string, unknown>>,
): Pick<Statement, 'values' | 'user'> {
  const subjects = readSubject(identifier)
  const valuesOf = (members: object) => ({ ...members, subject: identifier, ...context })
  if (user?.from !== undefined) {
    const { as, from } = user
    const choices = [...subjects.map(({ values }) => valuesOf(values)), valuesOf({})]
    const values = choices.find((choice) => expand(from, choice) !== null)
    if (!values) throw new CurfewError('CURFEW_SUBJECT_UNKNOWN')
    return { values, user: { as, from } }
  }
  const isForeign = ({ values: { iss } }: NamedSubject) => iss !== undefined && !isSame(iss, issuer)
  const usable = subjects.filter((subject) => subject.user !== null && !isForeign(subject))
  const isWanted = (subject: NamedSubject) => (subject.user?.as === 'email') === (user?.as === 'email')
  const chosen = (user && usable.find(isWanted)) ?? usable[0]
  if (chosen?.user) return { values: valuesOf(chosen.values), user: chosen.user }
  throw new CurfewError('CURFEW_SUBJECT_UNKNOWN', subjects.some(isForeign) ? FOREIGN : undefined)
}

const FOREIGN =
  "The subject has another issuer (iss) than the source. To accept it, set user.from in the source's entry."

/** Ignores a trailing slash. */
function isSame(one: string, other: string): boolean {
  return one.replace(/\/$/, '') === other.replace(/\/$/, '')
}

function readSimpleOrAliases(identifier: unknown): NamedSubject[] {
  if (formatOf(identifier).format !== 'aliases') return readSimple(identifier)
  const { data } = Aliases.safeParse(identifier)
  if (!data)
    throw new CurfewError('CURFEW_SUBJECT_INVALID', `Aliases require 1 to ${MAX_ALIASES} identifiers.`)
  // RFC 9493, section 3.2.8: aliases must not be nested.
  return data.identifiers.flatMap(readSimple)
}

function readSimple(identifier: unknown): NamedSubject[] {
  const { format, members } = formatOf(identifier)
  if (format === 'aliases') throw new CurfewError('CURFEW_SUBJECT_INVALID', 'Aliases must not be nested.')
  if (!FORMATS.has(format)) return []
  const { data, error } = Simple.safeParse({ ...members, format })
  if (data) return [named(data)]
  const member = String(error.issues[0]?.path[0] ?? 'format')
  throw new CurfewError(
    'CURFEW_SUBJECT_INVALID',
    `The member ${member} of the subject is missing, or not a string of 1 to 1,024 characters.`,
  )
}

/**
 * Drafts call it `subject_type` and use hyphens (Google still does); some senders omit it in complex subjects (Okta).
 */
function formatOf(identifier: unknown): { format: string; members: Record<string, unknown> } {
  const { data: members } = z.looseObject({}).safeParse(identifier)
  if (!members)
    throw new CurfewError('CURFEW_SUBJECT_INVALID', 'The subject must be an object with a format.')
  const format = members.format ?? members.subject_type
  if (typeof format === 'string') return { format: format.replaceAll('-', '_'), members }
  if (format === undefined && 'user' in members) return { format: 'complex', members }
  throw new CurfewError('CURFEW_SUBJECT_INVALID', 'The subject has no format.')
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
      // Not UTF-8: reported below.
    }
  }
  throw new CurfewError('CURFEW_SUBJECT_INVALID', 'The uri of an account subject must be acct:user@host.')
}
