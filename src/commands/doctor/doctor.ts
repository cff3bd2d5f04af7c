import { EXIT } from '../../cli/exit-codes.ts'
import { count, paint, print, printable, printJson } from '../../cli/terminal.ts'
import { ConfigError, loadConfig } from '../../config/load-config.ts'
import { parts } from '../../parts.ts'
import { checkService } from './check-service.ts'
import { checkSources } from './check-sources.ts'
import { checkStore } from './check-store.ts'
import { checkTenants } from './check-tenants.ts'
import { type Finding, failed, ok, warning } from './finding.ts'

interface Options {
  json?: boolean
  profile?: string
}

const MARKS = {
  ok: ['green', '✔'],
  warning: ['yellow', '!'],
  failed: ['red', '✘'],
  skipped: ['gray', '–'],
} as const

/**
 * The command `doctor`: checks the configuration, then everything it names. Sets the exit code 78 if the configuration is
 * invalid, and 1 if another check failed.
 */
export async function doctorCommand({ json, profile }: Options): Promise<void> {
  const findings: Finding[] = []
  const report = (found: readonly Finding[]) => {
    findings.push(...found)
    if (!json) for (const finding of found) for (const line of lines(finding)) print(line)
  }
  const config = await configuration(report)
  if (config) {
    report(await checkStore(config.databaseUrl))
    report(await checkTenants(config.tenants))
    report(await checkSources(config.sources))
  }
  report(await checkService(profile))
  const failures = findings.filter(({ status }) => status === 'failed').length
  const warnings = findings.filter(({ status }) => status === 'warning').length
  if (failures > 0) process.exitCode = config ? EXIT.no : EXIT.config
  if (json) return printJson({ ok: failures === 0, findings })
  print(`\n${count(failures, 'problem')}, ${count(warnings, 'warning')}.`)
}

async function configuration(report: (found: readonly Finding[]) => void) {
  try {
    const config = await loadConfig(process.env, parts.sources)
    const { tenants, sources, warnings } = config
    report([
      ok('configuration', `valid; ${count(tenants.length, 'tenant')}, ${count(sources.length, 'source')}`),
      ...warnings.map(({ key, expected }) =>
        warning(`configuration ${key}`, expected, 'Change it; it still works.'),
      ),
    ])
    return config
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    report(
      error.mistakes.map(({ key, expected }) =>
        failed(`configuration ${key}`, expected, 'Correct it: docs/configuration.md'),
      ),
    )
    return null
  }
}

function lines({ what, status, detail, action }: Finding): string[] {
  const [color, mark] = MARKS[status]
  const first = `${paint(color, mark)} ${printable(what)}: ${printable(detail)}`
  return action ? [first, `    ${action}`] : [first]
}
