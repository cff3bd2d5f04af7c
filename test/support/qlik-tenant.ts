import type { QlikTenant } from '../../src/revocation/qlik-tenant.ts'

const unexpected = () => {
  throw new Error('the test expects no such call')
}

/** A tenant with only these members; all other calls throw. */
export function qlikTenant(members: Partial<QlikTenant>): QlikTenant {
  return {
    name: 'default',
    concurrency: 1,
    power: unexpected,
    clockOffset: unexpected,
    findUsers: unexpected,
    userExists: unexpected,
    listTokens: unexpected,
    listOwners: unexpected,
    revokeToken: unexpected,
    fateOf: unexpected,
    ...members,
  }
}
