import { CurfewApiError } from './types.ts'

export async function bodyOf(response: Response): Promise<unknown> {
  return parse(await response.text())
}

export function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export function apiError({ status }: Response, body: unknown): CurfewApiError {
  const problem = (body ?? {}) as Partial<Record<'code' | 'title' | 'detail' | 'action', unknown>> & {
    errors?: { member: string; expected: string }[]
  }
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  const code = text(problem.code) ?? `HTTP_${status}`
  return new CurfewApiError(
    text(problem.detail) ?? text(problem.title) ?? `The response has the status ${status}.`,
    {
      code,
      status,
      action: text(problem.action),
      errors: Array.isArray(problem.errors)
        ? problem.errors.filter((one) => typeof one?.member === 'string')
        : [],
    },
  )
}

export function networkError(error: unknown): CurfewApiError {
  const code = isTimeout(error) ? 'TIMEOUT' : codeOf(error)
  return new CurfewApiError(
    code === 'TIMEOUT' ? 'Curfew did not answer in time.' : `The request failed: ${code}.`,
    { code, status: null, action: null, errors: [] },
    { cause: error },
  )
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'UNKNOWN'
  const { cause } = error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.name
}

export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}

export function timeoutError(): Error {
  return new DOMException('The request timed out.', 'TimeoutError')
}
