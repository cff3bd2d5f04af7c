import { registerHooks } from 'node:module'

/** TypeScript as a library. Another version of the package `typescript` would replace the command `tsc`. */
const LIBRARY = '@ts-morph/common/dist/typescript.js'

// The generator uses the JavaScript API of TypeScript, which TypeScript 7 does not have.
registerHooks({
  resolve: (specifier, context, next) => next(specifier === 'typescript' ? LIBRARY : specifier, context),
})

/** Generates a client with one function per operation into a folder. Its entry is `index.ts`. */
export async function generateClient(document: Record<string, unknown>, folder: string): Promise<void> {
  const { createClient } = await import('@hey-api/openapi-ts')
  await createClient({
    input: document,
    output: { path: folder, module: { extension: '.ts' } },
    logs: { level: 'silent', file: false },
    plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk'],
  })
}
