/** What can be wrong with an export. `docs/audit.md` describes each. */
export const PROBLEMS = [
  'unreadable',
  'changed',
  'private-changed',
  'private-missing',
  'missing',
  'out-of-order',
  'unlinked',
  'end-missing',
  'chain-missing',
  'head-differs',
  'removed-early',
  'signature-invalid',
  'key-unknown',
  'unsigned',
  'empty',
] as const
export type Problem = (typeof PROBLEMS)[number]

export interface Finding {
  problem: Problem
  /** Number of the line; null if the problem is not in one line. */
  line: number | null
  writer: string | null
  sequence: number | null
  /** What is wrong: a sentence. */
  detail: string
}

/** The entry or chain of a finding. */
export type Place = Pick<Finding, 'writer' | 'sequence'>

/** The place of a finding about the whole export. */
export const WHOLE_EXPORT: Place = { writer: null, sequence: null }

const COMPARE = 'Compare with an earlier export.'

export const ADVICE = {
  'removed-early': COMPARE,
  'signature-invalid': `The signature is invalid: the signed heads were changed, or are forged. ${COMPARE}`,
  'key-unknown':
    'The heads are signed with another key. If it was yours, pass its public key, too (--public-key).',
  unsigned:
    'No heads are signed with the given keys. Check that Curfew runs with AUDIT_SIGNING_KEY and that the public key belongs ' +
    `to it. If so, signatures were removed. ${COMPARE}`,
} as const satisfies Partial<Record<Problem, string>>
