import type { FastifyHelmetOptions } from '@fastify/helmet'

/** What differs between pages in their Content-Security-Policy. */
export type PageSources = Record<'styleSrc' | 'imgSrc' | 'formAction', string[]>

/** Security headers: pages load nothing from other hosts, run no inline scripts, and appear in no frame. */
export function pageHeaders({ styleSrc, imgSrc, formAction }: PageSources): FastifyHelmetOptions {
  return {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        connectSrc: ["'self'"],
        scriptSrc: ["'self'"],
        styleSrc,
        imgSrc,
        baseUri: ["'none'"],
        formAction,
        frameAncestors: ["'none'"],
      },
    },
    frameguard: { action: 'deny' },
    // TLS ends at the proxy, so its operator decides.
    strictTransportSecurity: false,
  }
}
