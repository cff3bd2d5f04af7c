import { UsageError } from '../../base/errors.ts'
import { EXIT } from '../../cli/exit-codes.ts'
import { count, print, printJson } from '../../cli/terminal.ts'
import { ConfigError, loadConfig } from '../../config/load-config.ts'
import { parts } from '../../parts.ts'
import { checkService } from './check-service.ts'
import { checkSources } from './check-sources.ts'
import { checkStore } from './check-store.ts'
import { checkTenants } from './check-tenants.ts'
import { type Finding, failed, linesOf, ok, warning } from './finding.ts'
import type { ProbeCommandOptions } from './probe/probe.ts'

interface Options extends ProbeCommandOptions {
  probe?: boolean
  profile?: string
}

/**
 * The command `doctor`: checks the configuration, then everything it names. Sets the exit code 78 if the configuration is
 * invalid, and 1 if another check failed.
 */
export async function doctorCommand({ probe, tenant, yes, ...options }: Options): Promise<void> {
  if (probe) {
    const { probeCommand } = await import('./probe/probe.ts')
    return probeCommand({ ...options, tenant, yes })
  }
  if (tenant !== undefined || yes) throw new UsageError('--tenant and --yes apply to --probe.')
  await checkAll(options)
}

async function checkAll({ json, profile }: Pick<Options, 'json' | 'profile'>): Promise<void> {
  const findings: Finding[] = []
  const report = (found: readonly Finding[]) => {
    findings.push(...found)
    if (!json) for (const finding of found) for (const line of linesOf(finding)) print(line)
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
