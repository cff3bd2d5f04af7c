import { API_KEY } from './service.ts'

/** A client that keeps cookies and sends forms, like a browser without JavaScript. It follows no redirect. */
export class Browser {
  readonly #origin: string
  readonly #cookies = new Map<string, string>()

  constructor(origin: string) {
    this.#origin = origin
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies
  }

  setCookie(name: string, value: string): void {
    this.#cookies.set(name, value)
  }

  get(path: string): Promise<Page> {
    return this.#send(path, { method: 'GET' })
  }

  /** Sends the form of a page, with its hidden fields. */
  async submit(page: Page, action: string, fields: Fields = {}): Promise<Page> {
    const token = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
    return this.post(action, { _csrf: decoded(token), ...fields })
  }

  /** Sends the form with this action as the page has it: its hidden fields, and others instead or besides. */
  send(page: Page, action: string, fields: Fields = {}): Promise<Page> {
    return this.post(action, { ...hiddenFieldsOf(page, action), ...fields })
  }

  post(path: string, fields: Fields): Promise<Page> {
    const body = new URLSearchParams(
      Object.entries(fields).flatMap(([name, value]) =>
        [value].flat().map((one): [string, string] => [name, one]),
      ),
    )
    return this.#send(path, { method: 'POST', body })
  }

  async #send(path: string, init: RequestInit): Promise<Page> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(new URL(path, this.#origin), {
      ...init,
      redirect: 'manual',
      headers: cookie === '' ? {} : { cookie },
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    const { status, headers } = response
    return { status, headers, location: headers.get('location'), text: await response.text() }
  }
}

/** A browser that is signed in to the dashboard. */
export async function signedIn({ url }: { url: string }, key = API_KEY): Promise<Browser> {
  const browser = new Browser(url)
  await browser.submit(await browser.get('/dashboard/sign-in'), '/dashboard/sign-in', { key })
  return browser
}

/** The values of fields by name; a list for several fields with one name. */
type Fields = Record<string, string | string[]>

function hiddenFieldsOf({ text }: Page, action: string): Fields {
  const forms = text.matchAll(/<form[^>]* action="([^"]+)"[^>]*>(.*?)<\/form>/gs)
  const [, , form = ''] = [...forms].find(([, url]) => url === action) ?? []
  const fields: Fields = {}
  const inputs = form.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)
  const areas = form.matchAll(/<textarea name="([^"]+)" hidden>\n([^<]*)<\/textarea>/g)
  for (const [, name = '', value = ''] of [...inputs, ...areas])
    fields[name] = name in fields ? [fields[name] ?? [], decoded(value)].flat() : decoded(value)
  return fields
}

export interface Page {
  status: number
  headers: Headers
  location: string | null
  text: string
}

const decoded = (text: string) =>
  text.replaceAll(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
