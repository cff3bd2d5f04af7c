import t from 'tap'
import { VENDORS, type Vendor } from '../../../src/sandbox/identity-provider/vendors.ts'
import { isProblem, nothingStored } from '../../support/problems.ts'
import { sendRequest } from '../../support/raw-http.ts'
import { PATH, vendorService } from '../../support/vendor-service.ts'

t.jobs = 1

/** Longer than a header of any vendor, and shorter than Node's limit. */
const LONG = 'x'.repeat(8_000)
/** Longer than Node's limit for all headers. */
const TOO_LONG = 'x'.repeat(20_000)

for (const vendor of VENDORS) {
  t.test(
    `${vendor.kind}: repeated, empty or changed headers beside the signature are rejected`,
    async (t) => {
      const { service, send } = await vendorService(t, vendor)
      const { text, good, bad } = await proofs(vendor)
      for (const name of Object.keys(good).filter((header) => header !== vendor.proofHeader)) {
        for (const [first, second] of [
          [good, bad],
          [bad, good],
          [good, good],
        ] as const) {
          const headers = { ...good, [name]: String(first[name]), [name.toUpperCase()]: String(second[name]) }
          const all = { 'content-type': 'application/json', ...headers }
          t.equal((await sendRequest(service.url, 'POST', PATH, all, text)).status, 401, `${name} twice`)
        }
        isProblem(t, await send(text, { headers: { ...good, [name]: '' } }), 'CURFEW_SOURCE_UNPROVEN')
        const other = { ...good, [name]: `${good[name]}1` }
        isProblem(t, await send(text, { headers: other }), 'CURFEW_SOURCE_UNPROVEN')
      }
      await nothingStored(t, service)
      t.equal(
        (await send(text, { headers: good })).status,
        vendor.answer,
        'a rejected delivery is not remembered',
      )
    },
  )

  t.test(`${vendor.kind}: two proofs in one header, and a huge one, are rejected`, async (t) => {
    const { service, send } = await vendorService(t, vendor)
    const { text, good, bad } = await proofs(vendor)
    const name = vendor.proofHeader
    const withProof = (value: string) => send(text, { headers: { ...good, [name]: value } })
    const [right, wrong] = [String(good[name]), String(bad[name])]
    const lists = [', ', ',', ' ', ';'].flatMap((separator) => [
      `${right}${separator}${wrong}`,
      `${wrong}${separator}${right}`,
    ])
    // Standard Webhooks allows several signatures separated by spaces, for rotations.
    for (const list of lists.filter((one) => !vendor.takesOneOfTwo || !/[ ,]/.test(one.replace(/v1,/g, ''))))
      isProblem(t, await withProof(list), 'CURFEW_SOURCE_UNPROVEN')
    for (const long of [LONG, `${right}${LONG}`, `${LONG}${right}`])
      isProblem(t, await withProof(long), 'CURFEW_SOURCE_UNPROVEN')
    t.equal((await withProof(`${right}${TOO_LONG}`)).status, 431)
    await nothingStored(t, service)
    t.equal((await withProof(right)).status, vendor.answer, 'a rejected delivery is not remembered')
  })
}

/** The documented body, with a valid proof and with one by another secret. */
async function proofs(vendor: Vendor) {
  const text = JSON.stringify(vendor.sample('forged'))
  const at = Date.now()
  const good: Record<string, string> = await vendor.sign(text, { secret: vendor.secret, at })
  const bad: Record<string, string> = await vendor.sign(text, { secret: vendor.otherSecret, at: at - 2_000 })
  return { text, good, bad }
}
