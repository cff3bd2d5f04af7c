import { z } from 'zod'
import { CurfewError } from '../../base/errors.ts'
import type { UserKind } from '../../revocation/signal.ts'
import type { Statement } from './source-signal.ts'
import { expand } from './template.ts'

const ALIASES_AT_MOST = 20

/** A subject as templates may name it, and how its user is called where the entry says nothing of it. */
export interface NamedSubject {
  /** Its members, as `{email}`, `{iss}`, `{sub}`, `{id}`, `{uri}`, `{url}`, `{phone_number}`. */
  values: Readonly<Record<string, string>>
  /** Null where only a template of the entry can tell. */
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

/** The members that templates may name of a subject: those of its format, and `subject`, the whole identifier. */
export const SUBJECT_MEMBERS = ['email', 'iss', 'sub', 'id', 'uri', 'url', 'phone_number', 'subject'] as const

const Aliases = z.object({ identifiers: z.array(z.looseObject({})).min(1).max(ALIASES_AT_MOST) })

/**
 * The subjects that an identifier may stand for (RFC 9493; `complex` by the Shared Signals Framework 1.0):
 * one, or those of `aliases` in their order. None where it names no user: a format that is not known, or a complex one
 * that speaks of a device or a session only.
 * @throws CURFEW_SUBJECT_INVALID
 */
export function readSubject(identifier: unknown): NamedSubject[] {
  const { format, members } = formatOf(identifier)
  if (format === 'complex') return members.user === undefined ? [] : readSimpleOrAliases(members.user)
  return readSimpleOrAliases(identifier)
}

/** What an entry says of its subjects. */
export interface SubjectRules {
  /** A subject of another issuer (`iss`) may be anybody: only a template takes it. */
  issuer: string
  user?: { as: UserKind; from?: string | undefined } | undefined
}

/**
 * The user whom an identifier means, for `sourceSignal`: by the entry's template, with the first of the subjects that it
 * is complete with; without a template the first that can be named by itself, and of aliases rather one of the kind that
 * the entry asks for.
 * @param context what templates may name besides the subject's members and, as `subject`, the whole identifier
 * @throws CURFEW_SUBJECT_INVALID; CURFEW_SUBJECT_UNKNOWN if it names none
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
  "The subject is of another issuer (iss) than the source. Where that is meant, say so by the source's user.from."

/** With a slash at the end or without. */
function isSame(one: string, other: string): boolean {
  return one.replace(/\/$/, '') === other.replace(/\/$/, '')
}

function readSimpleOrAliases(identifier: unknown): NamedSubject[] {
  if (formatOf(identifier).format !== 'aliases') return readSimple(identifier)
  const { data } = Aliases.safeParse(identifier)
  if (!data)
    throw new CurfewError('CURFEW_SUBJECT_INVALID', `Aliases need identifiers, from 1 to ${ALIASES_AT_MOST}.`)
  // RFC 9493, section 3.2.8: they are not nested.
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
    `The member ${member} of the subject is missing, or is no text that can be used.`,
  )
}

/** Drafts called it `subject_type`, with hyphens (Google still does); some leave it out of complex subjects (Okta). */
function formatOf(identifier: unknown): { format: string; members: Record<string, unknown> } {
  const { data: members } = z.looseObject({}).safeParse(identifier)
  if (!members) throw new CurfewError('CURFEW_SUBJECT_INVALID', 'A subject is an object with a format.')
  const format = members.format ?? members.subject_type
  if (typeof format === 'string') return { format: format.replaceAll('-', '_'), members }
  if (format === undefined && 'user' in members) return { format: 'complex', members }
  throw new CurfewError('CURFEW_SUBJECT_INVALID', 'A subject needs a format.')
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
  throw new CurfewError('CURFEW_SUBJECT_INVALID', 'The uri of an account is acct:user@host.')
}
