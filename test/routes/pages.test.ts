import t from 'tap'
import { startService } from '../support/service.ts'

const POLICY =
  "default-src 'none';connect-src 'self';script-src 'self';style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w=';img-src 'self' data:;base-uri 'none';" +
  "form-action 'none';frame-ancestors 'none'"

t.test('the documentation works under its own strict policy', async (t) => {
  const service = await startService(t)
  const page = async (path: string) => {
    const response = await fetch(new URL(path, service.url))
    t.equal(response.status, 200, path)
    t.equal(response.headers.get('content-security-policy'), POLICY, path)
    t.equal(response.headers.get('x-content-type-options'), 'nosniff', path)
    t.equal(response.headers.get('x-frame-options'), 'DENY', path)
    return response.text()
  }
  const html = await page('/docs')
  const scripts = [...html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)]
  t.ok(scripts.length > 0)
  for (const [, attributes, content] of scripts) {
    t.equal(content?.trim(), '', 'no inline script')
    const [, source = ''] = /src="([^"]+)"/.exec(attributes ?? '') ?? []
    t.match(await page(new URL(source, `${service.url}/docs`).pathname), /./, source)
  }
  const styles = [...html.matchAll(/<link([^>]*)>/g)].flatMap(([, attributes]) =>
    attributes?.includes('stylesheet') ? (/href="([^"]+)"/.exec(attributes)?.[1] ?? '') : [],
  )
  t.ok(styles.length > 0)
  for (const style of styles) await page(new URL(style, `${service.url}/docs`).pathname)
  t.notMatch(html, /<style|\son\w+=|\sstyle=/, 'no inline style or handler')
  const initializer = await page('/docs/static/swagger-initializer.js')
  t.match(initializer, /"validatorUrl":\s*null/, 'no other host learns the address')
  t.match(JSON.parse(await page('/docs/json')), { openapi: '3.1.0' })
})
