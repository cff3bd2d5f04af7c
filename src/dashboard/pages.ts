import { nowPage } from './now.ts'
import type { Page } from './page.ts'
import { revocationPage } from './revocation.ts'
import { revocationsPage } from './revocations.ts'

/** Every page, in the order of the navigation. */
export const PAGES: readonly Page[] = [nowPage, revocationsPage, revocationPage]
