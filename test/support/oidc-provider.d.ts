/** As much of the package's interface as the tests use; it brings no types of its own. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http'

  interface Client {
    /** Sends a logout token to the client. Rejects where the answer is no success. */
    backchannelLogout(sub: string | undefined, sid: string): Promise<void>
  }

  export default class Provider {
    constructor(issuer: string, configuration: object)
    callback(): RequestListener
    readonly Client: { find(id: string): Promise<Client | undefined> }
  }
}
