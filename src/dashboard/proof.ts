import { html } from 'ghtml'
import type { Revocation } from '../client/types.ts'
import { count } from './actions.ts'
import { type Html, time } from './layout.ts'

type Proof = NonNullable<Revocation['proof']>

/** Why a client sees the tokens: docs/proof.md. */
const ROLES: Readonly<Record<string, string>> = {
  'own-user': 'The tokens are those of its own user, which it always sees.',
  'tenant-admin': 'Qlik reports its role TenantAdmin, and the granted scope includes admin_classic.',
  'others-seen': 'It listed tokens of another user with the same scope.',
}

/** What is proven about a revocation, in sentences. It follows the rule in docs/proof.md, and adds nothing to it. */
export function proofInWords(revocation: Revocation): Html {
  const { status, verified, proof } = revocation
  if (verified && proof !== null)
    return html`<p class="good">Proven: every token in scope is gone.</p><p>!${evidence(proof, 'showed no token in scope')}
The tenant's clock was then certainly more than five seconds past the signal.!${several(revocation)}!${kept(revocation)}</p>`
  if (verified) return '<p class="good">Verified.</p><p>There is no record of the listing that proved it.</p>'
  if (status === 'completed')
    return html`<p>Not proven. !${doubt(revocation)}</p>!${proof ? html`<p>!${evidence(proof, 'showed no token in scope')}</p>` : ''}`
  return html`<p>Not proven: the revocation is not completed.</p>`
}

function evidence({ at, pages, listings, client, role }: Proof, what: string): Html {
  const extent =
    pages === 1
      ? 'It had one page, which cannot miss a token.'
      : html`It had ${pages} pages, and ${listings} listings in a row showed the same tokens.`
  return html`A listing that began at !${time(at)} ${what}. !${extent} The OAuth client <code>${client}</code> made it. !${ROLES[role] ?? 'It is not known whether it sees the tokens of other users.'}`
}

/**
 * One reason that applies. Without a role, Curfew does not ask whether the user exists, so this comes first. See the rule in
 * docs/proof.md.
 */
function doubt({ user, outcome, tokens, proof, verificationDueAt }: Revocation): Html {
  if (outcome === 'no-matching-user')
    return html`No user of the tenant has this name, so there was nothing to list.`
  if (proof === null) return html`There is no record of the listing.`
  if (proof.role === 'not-reported')
    return html`Qlik does not report the role of the OAuth client, and a client without it gets an empty list, too.`
  if (!proof.userExists)
    return html`The tenant has no user ${user.userId ?? ''}, and for such an id Qlik returns an empty list, too.`
  if (proof.pages > 1 && proof.listings < 2)
    return html`Tokens can have moved between the pages of the listing.`
  if (tokens.undecided > 0)
    return html`${count(tokens.undecided, 'kept token')} may have been granted before the signal, as far as the clocks show.`
  if (verificationDueAt !== null)
    return html`Tokens can appear in the list late, so another listing is due at !${time(verificationDueAt)}.`
  return html`No listing that was late enough has confirmed it.`
}

function kept({ tokens }: Revocation): Html {
  return tokens.kept === 0 ? '' : html` ${count(tokens.kept, 'token')} not in scope: kept.`
}

function several({ user: { resolved = [] } }: Revocation): Html {
  return resolved.length > 1
    ? html` The name led to ${resolved.length} Qlik users: this is the weakest evidence among them.`
    : ''
}
