import { z } from 'zod'

/** The filters of `GET /revocations`. */
export const FILTERS = [
  'email',
  'subject',
  'userId',
  'tenant',
  'source',
  'key',
  'code',
  'outcome',
  'batch',
  'status',
  'reason',
  'since',
  'until',
] as const
export type Filter = (typeof FILTERS)[number]
export type Filters = Partial<Record<Filter, string>>

/** The fields of a search form. Empty ones are omitted. */
export const Filters = z
  .object(Object.fromEntries(FILTERS.map((name) => [name, z.string().max(512).optional()])))
  .transform(
    (fields): Filters => Object.fromEntries(Object.entries(fields).filter(([, value]) => Boolean(value))),
  )

/** The longest field with filters: as long as the query of a request can be. See `toField`. */
const MAX_FIELD_LENGTH = 16_384

/** Filters in one field of a form. */
export const FiltersField = z
  .string()
  .max(MAX_FIELD_LENGTH)
  .transform((text): Record<string, string | undefined> => Object.fromEntries(new URLSearchParams(text)))
  .pipe(Filters)

/** The value of a field for `FiltersField`, also the query of a link. */
export function toField(filters: Filters): string {
  return new URLSearchParams(filters).toString()
}
