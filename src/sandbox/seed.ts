import type { SandboxUser, Tenant } from './tenant.ts'

/** The devices on which each of the people has a token: null is a token that tells none. */
const PEOPLE = [
  { name: 'Ann', devices: ['Desktop', 'Phone', null] },
  { name: 'Ben', devices: ['Desktop', 'Desktop', 'Tablet', 'Phone', null] },
  { name: 'Cleo', devices: ['Desktop', null] },
] as const

/** Adds three people to the tenant, each with tokens on several devices. */
export function seedPeople(tenant: Tenant): SandboxUser[] {
  return PEOPLE.map(({ name, devices }) => {
    const lower = name.toLowerCase()
    const user = tenant.addUser({ name, email: `${lower}@example.com`, subject: `idp|${lower}` })
    for (const deviceType of devices) tenant.issueTokens(user.id, 1, { deviceType })
    return user
  })
}
