import { judgePower } from '../../../qlik/power.ts'
import type { TenantConfig } from '../../../qlik/tenant-config.ts'
import { LISTING_WAIT_MS } from '../../../revocation/attempt.ts'
import { LEEWAY_MS } from '../../../revocation/grant-limits.ts'
import { grantedAt } from '../../../revocation/scope.ts'
import { type Finding, failed, ok, skipped, warning } from '../finding.ts'
import { limitFindings } from './judge-limits.ts'
import { ID_TOLERANCE_MS, type LinkForm, type Observations, WATCHED_MS } from './observe.ts'
import { assume, type ProbeFinding, seconds } from './probe-finding.ts'

/** Compares what a probe has seen with what Curfew assumes. Pure. */
export function judge(seen: Observations, config: TenantConfig): ProbeFinding[] {
  return [
    assume('The client sees the tokens of all users.', roleFinding(seen)),
    assume('An id has 24 hex digits; the first 8 are the time of the grant.', idFinding(seen)),
    assume(
      `A new token is listed within ${seconds(LEEWAY_MS)}, the leeway of the second listing.`,
      listedFinding(seen),
    ),
    assume('A revoked token can no longer be used.', useFinding(seen)),
    assume(`A revoked token leaves the listing within ${seconds(LISTING_WAIT_MS)}.`, unlistedFinding(seen)),
    assume('404 and 204 both mean that the token is gone.', secondDeleteFinding(seen)),
    assume(
      'Of a link, only the parameter page is used; /users/me may redirect to a user of the same origin.',
      linkFinding(seen),
    ),
    assume('Responses have a Date header: without one, nothing is verified.', dateFinding(seen)),
    ...limitFindings(seen, config),
  ]
}

function notSeen(what: string): Finding {
  return skipped(what, 'The probe ended before it found out.')
}

function roleFinding({ scope, roles, sawOthers, redirect }: Observations): Finding {
  if (scope === null || redirect === null) return notSeen('visible roles')
  const names = roles === null ? 'no roles' : roles.length === 0 ? 'an empty list of roles' : roles.join(', ')
  const others = sawOthers ? 'tokens of other users are listed' : 'no token of another user is listed'
  const detail = `Qlik reports ${names} for the client's user; granted scope "${scope}"; ${others}.`
  const evidence = judgePower({ scope, roles, sawOthers })
  if (evidence === 'scope-too-narrow')
    return failed(
      'visible roles',
      detail,
      'Set QLIK_SCOPE (scope in CONFIG_FILE) to admin_classic, and allow it for the OAuth client in Qlik.',
    )
  if (evidence === 'role-missing')
    return failed('visible roles', detail, 'Assign TenantAdmin to the bot user of the OAuth client.')
  if (evidence === 'not-reported')
    return warning(
      'visible roles',
      detail,
      'Check that the bot user has TenantAdmin. Nothing is verified until Curfew sees a token of another user.',
    )
  return ok('visible roles', detail)
}

function idFinding({ tokenId, requestedAt, answeredAt }: Observations): Finding {
  const what = 'token ids'
  if (tokenId === null) return notSeen(what)
  const at = grantedAt(tokenId, answeredAt)
  if (at === null)
    return warning(
      what,
      `${tokenId.length} characters, without a time.`,
      'Nothing to set: a logout then revokes all tokens that the user has, also those of a login that follows it closely.',
    )
  const form = '24 hex digits'
  if (at < requestedAt - ID_TOLERANCE_MS)
    return warning(
      what,
      `${form}; the time in the id is ${seconds(requestedAt - at)} before the request, so an earlier grant was used again.`,
      'Nothing to set: a logout then also revokes tokens of a later login that uses an earlier grant again.',
    )
  if (at > answeredAt + ID_TOLERANCE_MS)
    return failed(
      what,
      `${form}; the time in the id is ${seconds(at - answeredAt)} after the response.`,
      'A logout can miss tokens. Send signals with "scope": "all", and report this to the developers of Curfew.',
    )
  return ok(what, `${form}; the first 8 are the time of the request.`)
}

function listedFinding({ listedAfter }: Observations): Finding {
  const what = 'listing of new tokens'
  if (listedAfter === null) return notSeen(what)
  if (listedAfter === 'never')
    return failed(
      what,
      `Not listed within ${seconds(WATCHED_MS)}, or no new id was issued.`,
      'A token that was issued just before a logout can be missed. Send the signal again later, with another id.',
    )
  if (listedAfter > LEEWAY_MS)
    return failed(
      what,
      `Listed after ${seconds(listedAfter)}.`,
      `A token that was issued just before a logout can be missed. Send the signal again ${seconds(listedAfter)} later, with another id.`,
    )
  return ok(what, `Listed ${listedAfter === 0 ? 'at once' : `after ${seconds(listedAfter)}`}.`)
}

function useFinding({ failsAfter }: Observations): Finding {
  const what = 'use of a revoked token'
  if (failsAfter === null) return notSeen(what)
  if (failsAfter === 'never')
    return failed(
      what,
      `It still works after ${seconds(WATCHED_MS)}.`,
      'Nothing to set: access then ends when the access token expires. Report this to Qlik.',
    )
  if (failsAfter > 0)
    return warning(
      what,
      `It works for up to another ${seconds(failsAfter)}, then fails with 401.`,
      'Nothing to set: access ends this much after "completed".',
    )
  return ok(what, 'It fails at once with 401.')
}

function unlistedFinding({ unlistedAfter }: Observations): Finding {
  const what = 'listing of revoked tokens'
  if (unlistedAfter === null) return notSeen(what)
  if (unlistedAfter === 'never' || unlistedAfter > LISTING_WAIT_MS)
    return warning(
      what,
      unlistedAfter === 'never'
        ? `Still listed after ${seconds(WATCHED_MS)}.`
        : `Listed for up to another ${seconds(unlistedAfter)}.`,
      'Nothing to set: revocations complete later, after an attempt with CURFEW_TOKENS_REMAIN.',
    )
  return ok(
    what,
    unlistedAfter === 0 ? 'It leaves the listing at once.' : `It leaves it within ${seconds(unlistedAfter)}.`,
  )
}

function secondDeleteFinding({ secondDelete }: Observations): Finding {
  const what = 'second delete'
  if (secondDelete === null) return notSeen(what)
  if ([200, 204, 404].includes(secondDelete)) return ok(what, `Qlik responds with ${secondDelete}.`)
  return failed(
    what,
    `Qlik responds with ${secondDelete}.`,
    'Nothing to set: if a response to a delete is lost, its revocation fails or is retried. Report this to the developers of Curfew.',
  )
}

const LINKS: Record<LinkForm, string> = {
  none: 'no links',
  relative: 'relative links',
  'same-origin': 'links to the same origin',
  'another-origin': 'links to another origin',
}

function linkFinding({ link, redirect }: Observations): Finding {
  const what = 'links'
  if (redirect === 'another-origin')
    return failed(
      what,
      '/users/me redirects to another origin.',
      'Set QLIK_TENANT_URL (url in CONFIG_FILE) to the host that it redirects to, if that is your tenant.',
    )
  if (link === null || redirect === null) return notSeen(what)
  const me = redirect === 'none' ? 'answers directly' : `redirects, ${redirect}`
  return ok(what, `Listings have ${LINKS[link]}; /users/me ${me}.`)
}

function dateFinding({ undated, calls }: Observations): Finding {
  const what = 'Date header'
  const total = calls[1] + calls[2]
  if (total === 0) return notSeen(what)
  if (undated === 0) return ok(what, 'Every response has one.')
  return failed(
    what,
    `${undated} of ${total} responses have no usable one.`,
    'Check the proxies between Curfew and Qlik: one of them may remove it.',
  )
}
