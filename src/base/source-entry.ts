import type { z } from 'zod'
import type { Form } from './config-forms.ts'

/** How a schema reads values that are in CONFIG_FILE itself, in an environment variable, or in a file of their own. */
export interface ValueForms {
  given: (form: Form) => z.ZodType<string, string>
  inFile: (form: Form) => z.ZodType<string, string>
}

/** An entry of `sources` in CONFIG_FILE: the members that all kinds have. */
export interface SourceEntry {
  kind: string
  name: string
  /** The tenant that it speaks for; the default one if left out. */
  tenant?: string | undefined
  /** Template of the tenant's name, if the source names the tenant itself. */
  tenantFrom?: string | undefined
  /** With `tenantFrom`: the tenants that it may name; all if left out. */
  tenants?: string[] | undefined
}

type EntrySchema = z.ZodObject<{
  kind: z.ZodLiteral<string>
  name: z.ZodString
  tenant: z.ZodOptional<z.ZodString>
  tenantFrom: z.ZodOptional<z.ZodString>
  tenants: z.ZodOptional<z.ZodArray<z.ZodString>>
}>

/** Kinds of sources, as far as reading CONFIG_FILE needs them. */
export interface SourceKinds {
  kinds: readonly string[]
  /** The schema of each kind's entries: objects that `kind` tells apart. */
  entries(forms: ValueForms): readonly EntrySchema[]
}
