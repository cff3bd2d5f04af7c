import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Test } from 'tap'
import { API_KEY, type Service } from './service.ts'

/** Debian's. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
/** The reason why tests in a browser are skipped, or false. */
export const skip = existsSync(CHROMIUM) ? false : `There is no browser at ${CHROMIUM}: set CHROMIUM.`

interface Opened {
  page: Page
  /** Errors and violations of the policy that the page has reported. */
  complaints: string[]
}

/** Opens a browser, which closes with the test. */
export async function open(t: Test, service: Service, options: BrowserContextOptions = {}): Promise<Opened> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
  t.teardown(() => browser.close())
  const page = await (await browser.newContext({ baseURL: service.url, ...options })).newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  return { page, complaints }
}

export async function signIn(page: Page, apiKey = API_KEY): Promise<void> {
  await page.goto('/dashboard')
  await page.getByLabel('API key').fill(apiKey)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Now' }).waitFor()
}

/** Rules of WCAG 2.2 A and AA that a page breaks, with the elements. */
export async function violationsOf(page: Page): Promise<string[]> {
  // Not added as a script, which the policy forbids.
  await page.evaluate(readFileSync(AXE, 'utf8'))
  return page.evaluate(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: code of the page
    'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`))',
  )
}
