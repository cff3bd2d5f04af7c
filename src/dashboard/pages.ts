import { auditPage } from './audit.ts'
import { batchPage } from './batch.ts'
import { changePage, confirmPage } from './change.ts'
import { failedPage } from './failed.ts'
import { nowPage } from './now.ts'
import type { Page } from './page.ts'
import { confirmRedeliveryPage, receiversPage, redeliverPage, testReceiverPage } from './receivers.ts'
import { revocationPage } from './revocation.ts'
import { revocationsPage } from './revocations.ts'
import { previewPage, revokePage } from './revoke.ts'
import { sendPage } from './send.ts'
import { sendersPage } from './senders.ts'

/** Every page, in the order of the navigation. */
export const PAGES: readonly Page[] = [
  nowPage,
  revocationsPage,
  revocationPage,
  confirmPage,
  changePage,
  batchPage,
  failedPage,
  revokePage,
  previewPage,
  sendPage,
  sendersPage,
  receiversPage,
  testReceiverPage,
  confirmRedeliveryPage,
  redeliverPage,
  auditPage,
]
