import t from 'tap'
import { IGNORED, judged, REJECTED } from '../../support/judged.ts'

const ADA = '88251cc6-7408-4b31-a4c7-b2840d99b916'
const ADMIN = { realmId: 'master', clientId: 'admin-cli', userId: 'the-admin' }
const TIME = 1711651627565

const admin = (operation: string, resourcePath: string, resource = 'USER') => ({
  time: TIME,
  uid: 'e1',
  type: `admin.${resource}-${operation}`,
  resourceType: resource,
  operationType: operation,
  resourcePath,
  authDetails: ADMIN,
  details: {},
})

t.test('a logout and a new password affect the user of the event', async (t) => {
  const access = (type: string) => ({
    time: TIME,
    uid: 'e1',
    type,
    authDetails: { userId: ADA },
    details: {},
  })
  t.match(judged('keycloak', access('access.LOGOUT')), {
    signals: [`logout subject ${ADA}`],
    times: ['2024-03-28T18:47:07.565Z'],
  })
  t.same(judged('keycloak', access('access.UPDATE_PASSWORD')).signals, [`logout subject ${ADA}`])
  const credential = (type: string) => ({
    ...access('access.UPDATE_CREDENTIAL'),
    details: { credential_type: type },
  })
  t.same(judged('keycloak', credential('password')).signals, [`logout subject ${ADA}`])
  t.same(judged('keycloak', credential('otp')), IGNORED)
  t.same(judged('keycloak', access('access.UPDATE_CREDENTIAL')), IGNORED)
  t.same(judged('keycloak', access('access.LOGIN')), IGNORED)
  t.same(judged('keycloak', access('access.LOGOUT_ERROR')), IGNORED)
})

t.test("an administrator's action affects the user in the path, never the administrator", async (t) => {
  t.same(judged('keycloak', admin('DELETE', `users/${ADA}`)).signals, [`security subject ${ADA}`])
  t.same(judged('keycloak', admin('ACTION', `users/${ADA}/logout`)).signals, [`logout subject ${ADA}`])
  t.same(judged('keycloak', admin('ACTION', `users/${ADA}/reset-password`)).signals, [
    `logout subject ${ADA}`,
  ])
  t.same(judged('keycloak', admin('ACTION', `users/${ADA}/send-verify-email`)), IGNORED)
  t.same(judged('keycloak', admin('DELETE', 'elsewhere')), REJECTED)
  t.same(judged('keycloak', admin('DELETE', `groups/${ADA}`, 'GROUP')), IGNORED)
})

t.test("Keycloak's own events, as the HTTP sender sends them, are equivalent", async (t) => {
  const logout = {
    id: 'e1',
    time: TIME,
    type: 'LOGOUT',
    realmId: 'r',
    clientId: 'c',
    userId: ADA,
    error: null,
  }
  t.same(judged('keycloak', logout).signals, [`logout subject ${ADA}`])
  const password = { ...logout, type: 'UPDATE_CREDENTIAL', details: { credential_type: 'password' } }
  t.same(judged('keycloak', password).signals, [`logout subject ${ADA}`])
  const { type: _, uid: __, ...deleted } = admin('DELETE', `users/${ADA}`)
  t.same(judged('keycloak', deleted).signals, [`security subject ${ADA}`])
})
