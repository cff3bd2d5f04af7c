import { registerHooks } from 'node:module'

// Imported first, resolves `curfew/client` to the sources: in a checkout that is not built, the package has no `dist/`.
const CLIENT = new URL('../../src/client/client.ts', import.meta.url).href

registerHooks({
  resolve: (specifier, context, next) => next(specifier === 'curfew/client' ? CLIENT : specifier, context),
})
