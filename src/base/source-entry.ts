import type { z } from 'zod'
import type { Format } from './config-formats.ts'

/** Schemas for members of CONFIG_FILE that hold a value or refer to it. */
export interface ValueSchemas {
  /** The value itself, or `${NAME}` for the value of an environment variable. */
  inline: (format: Format) => z.ZodType<string, string>
  /** The path of a file that holds the value. */
  fromFile: (format: Format) => z.ZodType<string, string>
}

/** An entry of `sources` in CONFIG_FILE: the members that all kinds have. */
export interface SourceEntry {
  kind: string
  name: string
  /** The tenant of its signals; by default the first tenant. */
  tenant?: string | undefined
  /** Template of the tenant's name, if the source names the tenant. */
  tenantFrom?: string | undefined
  /** With `tenantFrom`: the tenants it may name; all by default. */
  tenants?: string[] | undefined
}

type EntrySchema = z.ZodObject<{
  kind: z.ZodLiteral<string>
  name: z.ZodString
  tenant: z.ZodOptional<z.ZodString>
  tenantFrom: z.ZodOptional<z.ZodString>
  tenants: z.ZodOptional<z.ZodArray<z.ZodString>>
}>

/** The part of a source part that the schema of CONFIG_FILE needs. */
export interface SourceKinds {
  kinds: readonly string[]
  /** The schema of each kind's entries; `kind` discriminates between them. */
  entries(values: ValueSchemas): readonly EntrySchema[]
}
