/** The part of the interface that the tests use; the package ships no types. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http'

  interface Client {
    /** Sends a logout token to the client. Rejects unless the answer is a success. */
    backchannelLogout(sub: string | undefined, sid: string): Promise<void>
  }

  export default class Provider {
    constructor(issuer: string, configuration: object)
    callback(): RequestListener
    readonly Client: { find(id: string): Promise<Client | undefined> }
  }
}
