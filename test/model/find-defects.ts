import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DEFECTS, type Defect } from './defects.ts'

/**
 * `node test/model/find-defects.ts [runs] [seed]`: puts each defect into a copy of the source, and runs the model on
 * it. Exits with 1 if the model misses one.
 */
const [runs = '2000', seed = '1'] = process.argv.slice(2)
const root = resolve(import.meta.dirname, '../..')

/** The last output of the model for a copy with this defect. */
function lookFor({ name, file, now, instead }: Defect): boolean {
  const copy = mkdtempSync(join(tmpdir(), 'curfew-defect-'))
  try {
    for (const part of ['src', 'test', 'package.json'])
      cpSync(join(root, part), join(copy, part), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    const path = join(copy, 'src', file)
    const source = readFileSync(path, 'utf8')
    if (source.split(now).length !== 2) throw new Error(`"${now}" must occur in ${file} exactly once.`)
    writeFileSync(path, source.replace(now, instead))
    const options = ['--runs', runs, '--seed', seed]
    const { stdout, status } = spawnSync(process.execPath, ['test/model/main.ts', ...options], {
      ...{ cwd: copy, encoding: 'utf8' },
      maxBuffer: 2 ** 28,
    })
    const foundAfter = /^Run (\d+) violates/m.exec(stdout)?.[1]
    const isFound = status === 1 && foundAfter !== undefined
    const guarantee = stdout.trim().split('\n').at(-1)?.split(': {')[0]
    console.log(
      isFound ? `found in run ${foundAfter} of seed ${seed}` : 'NOT FOUND',
      `- ${name} (${guarantee})`,
    )
    return isFound
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const missed = DEFECTS.filter((defect) => !lookFor(defect))
process.exitCode = missed.length > 0 ? 1 : 0
