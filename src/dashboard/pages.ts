import { auditPage } from './audit.ts'
import { nowPage } from './now.ts'
import type { Page } from './page.ts'
import { revocationPage } from './revocation.ts'
import { revocationsPage } from './revocations.ts'
import { sendersPage } from './senders.ts'

/** Every page, in the order of the navigation. */
export const PAGES: readonly Page[] = [nowPage, ...[revocationsPage, revocationPage], sendersPage, auditPage]
