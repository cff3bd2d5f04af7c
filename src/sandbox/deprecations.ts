import { z } from 'zod'
import { ROUTES, type RouteName } from './call-log.ts'

/** The header that names the API release a caller was built for. Source: https://qlik.dev/apis/versioning */
export const VERSION_HEADER = 'qlik-api-version'

const release = z.string().regex(/^\d{4}-(02|05|08|11)$/)
/** Supported releases, as the 2026-11 release lists them. */
const SUPPORTED: readonly string[] = ['2026-05', '2026-08', '2026-11']
const OLDEST = '2026-05'

/** A deprecation that the tenant announces in the responses of one route. */
export const deprecationSchema = z.strictObject({
  route: z.enum(ROUTES),
  /** The release with the deprecation. Callers that send this release or a later one get no header. */
  release: release.default('2027-02'),
  /** `Deprecation`: `true`, as in https://qlik.dev/changelog/209-data-qualities-deprecation, or `@` and seconds (RFC 9745). */
  deprecation: z.string().default('true'),
  /** `Sunset` (RFC 8594): an HTTP date. */
  sunset: z.string().optional(),
  link: z.string().optional(),
})
export type Announcement = z.input<typeof deprecationSchema>

/** The tenant's deprecations. */
export class Deprecations {
  readonly #announced: z.output<typeof deprecationSchema>[] = []

  /** Throws a `ZodError` if the announcement is invalid. */
  add(announcement: Announcement): z.output<typeof deprecationSchema> {
    const announced = deprecationSchema.parse(announcement)
    this.#announced.push(announced)
    return announced
  }

  clear(): void {
    this.#announced.length = 0
  }

  /** The headers for a caller that sent this version (null: none). The last announcement of a route applies. */
  headersFor(route: RouteName, version: string | null): Record<string, string> {
    const isNews = (announced: string) => version !== 'latest' && announced > acknowledged(version)
    const found = this.#announced.findLast((one) => one.route === route && isNews(one.release))
    if (!found) return {}
    const { deprecation, sunset, link } = found
    return { deprecation, ...(sunset && { sunset }), ...(link && { link }) }
  }
}

/** A missing or unsupported version counts as the oldest supported one. */
function acknowledged(version: string | null): string {
  return version !== null && SUPPORTED.includes(version) ? version : OLDEST
}
