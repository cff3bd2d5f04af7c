import t from 'tap'
import { z } from 'zod'
import { describeExactlyOne, preferAlternatives } from '../../src/http/exactly-one.ts'

const NAMES = { id: z.string().optional(), email: z.string().max(9).optional() }
const OTHERS = { reason: z.enum(['a', 'b']).optional() }

t.test('a choice has one closed alternative per name, with that name required', async (t) => {
  const reason = { type: 'string', enum: ['a', 'b'] }
  const closed = { type: 'object', additionalProperties: false }
  t.strictSame(describeExactlyOne(NAMES, OTHERS), [
    { ...closed, properties: { id: { type: 'string' }, reason }, required: ['id'], title: 'id' },
    {
      ...closed,
      properties: { email: { type: 'string', maxLength: 9 }, reason },
      required: ['email'],
      title: 'email',
    },
  ])
})

t.test('the alternatives replace the members of the object, and nothing else', async (t) => {
  const oneOf = describeExactlyOne(NAMES)
  const schema = z.strictObject({
    user: z.strictObject(NAMES).meta({ oneOf, description: 'A user' }),
    other: z.strictObject(OTHERS),
    union: z.discriminatedUnion('kind', [z.object({ kind: z.literal('x') })]),
  })
  const { properties } = z.toJSONSchema(schema, { io: 'input', override: preferAlternatives })
  t.strictSame(properties?.user, { oneOf, description: 'A user' })
  t.match(properties?.other, { type: 'object', properties: { reason: {} }, additionalProperties: false })
  t.match(properties?.union, { oneOf: [{ type: 'object', properties: { kind: {} } }] })
})
