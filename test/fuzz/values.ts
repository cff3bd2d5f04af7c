import type { Random } from './random.ts'

/** Texts that parsers, databases, terminals and file systems treat specially. */
const TEXTS = [
  ...[
    '',
    ' ',
    '\0',
    '\n',
    '\r\n',
    '\t',
    '"',
    "'",
    '\\',
    '%',
    '%00',
    '%zz',
    '../',
    '..\\',
    '/',
    '//',
    '?',
    '#',
    '&',
    ';',
    '=',
    ',',
  ],
  ...[
    'null',
    'true',
    '0',
    '-1',
    '1e999',
    'NaN',
    '[]',
    '{}',
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
  ],
  ...[
    '\u001b[2J',
    '\ud800',
    '\udfff',
    '\u202e',
    '\ufeff',
    '\u0130',
    '\u00df',
    '\ud83d\ude00',
    '\u0000a',
    'a\u0000',
  ],
  ...[
    "' OR 1=1 --",
    '$' + '{jndi:x}',
    '{{7*7}}',
    '<script>',
    '$(id)',
    '`id`',
    '*',
    '(',
    '[',
    'a'.repeat(513),
    'x'.repeat(5_000),
  ],
  ...[
    'ann@example.com',
    '2026-05-04T12:00:00Z',
    '0000-00-00T00:00:00Z',
    '9999-12-31T23:59:59Z',
    'default',
    'whsec_',
    'Bearer ',
  ],
] as const
const NUMBERS = [
  0,
  -0,
  1,
  -1,
  1.5,
  1e21,
  -1e21,
  2 ** 31,
  2 ** 53,
  2 ** 64,
  5e-324,
  1_795_780_800,
  1_795_780_800_000,
]

export function anyText(random: Random): string {
  if (random.chance(0.6)) return String(random.pick(TEXTS))
  if (random.chance(0.5)) return `${random.pick(TEXTS)}${random.pick(TEXTS)}`
  return String.fromCharCode(
    ...Array.from({ length: random.length(200) }, () => random.int(random.chance(0.7) ? 128 : 65_536)),
  )
}

export function anyJson(random: Random, depth = 0): unknown {
  const kind = random.int(depth > 4 ? 6 : 9)
  if (kind < 3) return anyText(random)
  if (kind === 3) return random.pick(NUMBERS)
  if (kind === 4) return random.chance(0.5)
  if (kind === 5) return null
  if (kind === 6) return Array.from({ length: random.length(40) }, () => anyJson(random, depth + 1))
  const members = Array.from({ length: random.length(20) }, () => [
    anyText(random),
    anyJson(random, depth + 1),
  ])
  return Object.fromEntries(members)
}

/** The same value with some of its parts replaced, removed, added or repeated. */
export function mutateJson(random: Random, value: unknown, rate = 0.15): unknown {
  if (random.chance(rate)) return random.chance(0.3) ? mutatedScalar(random, value) : anyJson(random, 2)
  if (Array.isArray(value)) {
    const items = value.flatMap((item) => {
      if (random.chance(rate)) return random.chance(0.5) ? [] : [item, mutateJson(random, item, rate)]
      return [mutateJson(random, item, rate)]
    })
    return random.chance(rate / 4) ? Array(50).fill(items[0] ?? null) : items
  }
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).flatMap(([name, member]) => {
    if (random.chance(rate / 2)) return []
    return [[random.chance(rate / 2) ? anyText(random) : name, mutateJson(random, member, rate)]]
  })
  if (random.chance(rate)) members.push([anyText(random), anyJson(random, 3)])
  return Object.fromEntries(members)
}

function mutatedScalar(random: Random, value: unknown): unknown {
  if (typeof value === 'string') return mutateText(random, value)
  if (typeof value === 'number') return value + Number(random.pick(NUMBERS))
  return [value]
}

/** The same text with parts removed, repeated, replaced or inserted. */
export function mutateText(random: Random, text: string): string {
  const at = random.int(text.length + 1)
  const to = Math.min(text.length, at + 1 + random.length(12))
  switch (random.int(5)) {
    case 0:
      return text.slice(0, at) + text.slice(to)
    case 1:
      return text.slice(0, at) + anyText(random) + text.slice(at)
    case 2:
      return text.slice(0, at) + anyText(random) + text.slice(to)
    case 3:
      return text.slice(0, to) + text.slice(at)
    default:
      return text.slice(0, at)
  }
}

export function mutateBytes(random: Random, bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  for (let count = 1 + random.length(8); count > 0; count -= 1) {
    if (changed.length === 0) return random.bytes(10)
    const at = random.int(changed.length)
    if (random.chance(0.7))
      changed[at] = random.chance(0.5) ? random.int(256) : Number(changed[at]) ^ (1 << random.int(8))
    else
      return Buffer.concat([
        changed.subarray(0, at),
        random.bytes(random.length(40)),
        changed.subarray(at + random.length(10)),
      ])
  }
  return random.chance(0.2) ? changed.subarray(0, random.int(changed.length)) : changed
}

/** JSON as senders write it: sometimes not JSON at all, with repeated or forbidden members, or in another encoding. */
export function bodyOf(random: Random, value: unknown): Buffer {
  const text = JSON.stringify(value) ?? 'null'
  switch (random.int(14)) {
    case 0:
      return Buffer.from(mutateText(random, text))
    case 1:
      return mutateBytes(random, Buffer.from(text))
    case 2:
      return Buffer.from(text, 'utf16le')
    case 3:
      return Buffer.from(`\ufeff${text}`)
    case 4:
      return Buffer.from(text.replace('{', '{"__proto__":{"userId":"ann"},'))
    case 5:
      return Buffer.from(`${'['.repeat(1 + random.length(20_000))}${text}`)
    case 6:
      return Buffer.from(text.replace('{', '{"userId":"ann","userId":1,'))
    default:
      return Buffer.from(text)
  }
}
