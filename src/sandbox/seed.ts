import type { SandboxUser, Tenant } from './tenant.ts'

/** Each user has one token per device; null is a token without a device. */
const PEOPLE = [
  { name: 'Ann', devices: ['Desktop', 'Phone', null] },
  { name: 'Ben', devices: ['Desktop', 'Desktop', 'Tablet', 'Phone', null] },
  { name: 'Cleo', devices: ['Desktop', null] },
] as const

/** Adds three users to the tenant, each with tokens on several devices. */
export function seedPeople(tenant: Tenant): SandboxUser[] {
  return PEOPLE.map(({ name, devices }) => {
    const lower = name.toLowerCase()
    const user = tenant.addUser({ name, email: `${lower}@example.com`, subject: `idp|${lower}` })
    for (const deviceType of devices) tenant.issueTokens(user.id, 1, { deviceType })
    return user
  })
}
