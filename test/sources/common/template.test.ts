import t from 'tap'
import { expand, isTemplate, membersOf, valueAt } from '../../../src/sources/common/template.ts'

t.test('a template names at least one member in braces', async (t) => {
  for (const text of [
    '{sub}',
    '{iss}|{sub}',
    '{/data/user_id}',
    'a{b}c',
    '{a~b}',
    '{/a~0b/~1}',
    '{https://x/y}',
  ])
    t.ok(isTemplate(text), text)
  for (const text of ['', 'sub', '{}', '{sub', 'sub}', '{{sub}}', '{a}{', '{/a~2}'])
    t.notOk(isTemplate(text), `${text} is none`)
})

t.test('placeholders are replaced with the members that they name', async (t) => {
  const values = {
    iss: 'https://op.example',
    sub: 'a|b',
    number: 42,
    data: { user: { id: 'u1' }, list: ['first'] },
    'https://acme.example/id': 'namespaced',
    'm/n~': 'odd',
    braces: '{sub}',
  }
  for (const [template, text] of [
    ['{sub}', 'a|b'],
    ['{iss}|{sub}', 'https://op.example|a|b'],
    ['user-{number}', 'user-42'],
    ['{/data/user/id}', 'u1'],
    ['{/data/list/0}', 'first'],
    ['{https://acme.example/id}', 'namespaced'],
    ['{m/n~}', 'odd'],
    ['{/m~1n~0}', 'odd'],
    ['{braces}', '{sub}'],
  ] as const) {
    t.equal(expand(template, values), text, template)
  }
})

t.test('a template with a missing member expands to null', async (t) => {
  const values = {
    empty: '',
    none: null,
    yes: true,
    part: 1.5,
    huge: 2 ** 60,
    object: {},
    list: ['a'],
    text: 'a',
  }
  for (const name of [
    ...Object.keys(values).filter((name) => name !== 'text'),
    'missing',
    '/list/1',
    '/text/0',
  ])
    t.equal(expand(`{text}|{${name}}`, values), null, name)
  for (const name of ['constructor', '__proto__', '/object/toString', '/list/length', '/text/length'])
    t.equal(expand(`{${name}}`, values), null, `${name} is nobody's own member`)
  for (const nothing of [null, undefined, 'text', 5]) t.equal(expand('{sub}', nothing), null)
})

t.test('a JSON Pointer finds a value or undefined', async (t) => {
  const values = { a: { '': 0, b: [{ c: false }] } }
  t.equal(valueAt(values, ''), values)
  t.equal(valueAt(values, '/a/'), 0)
  t.equal(valueAt(values, '/a/b/0/c'), false)
  for (const pointer of ['/b', '/a/b/1', '/a/b/-', '/a/b/0/c/d'])
    t.equal(valueAt(values, pointer), undefined, pointer)
})

t.test('membersOf returns the members that a template names', async (t) => {
  t.same(membersOf('{iss}|{sub}'), ['iss', 'sub'])
  t.same(membersOf('{/data/user_id}{/a~1b/c}{x/y}'), ['data', 'a/b', 'x/y'])
})
