import type { ErrorSection } from './error-section.ts'

/** Errors of notifications, and of requests that name a receiver. */
export const NOTIFICATION_ERRORS = {
  CURFEW_UNKNOWN_RECEIVER: {
    status: 400,
    title: 'No receiver of notifications has this name, or it is not notified of this tenant',
    action: 'Send the name of an entry in "receivers" of CONFIG_FILE, or omit "notify".',
  },
  CURFEW_UNKNOWN_NOTIFICATION: {
    status: 404,
    title: 'There is no such notification',
    action: 'List them with GET /notifications. Delivered ones are deleted after three days.',
  },
  CURFEW_RECEIVER_ADDRESS: {
    status: null,
    title: "The receiver's host is, or resolves to, an address that is not public",
    action: 'If that is intended, add its address or network to "receiverNetworks" in CONFIG_FILE.',
  },
  CURFEW_RECEIVER_UNREACHABLE: {
    status: null,
    title: 'The receiver cannot be reached',
    action:
      "Check the receiver's url, its name in the DNS, its certificate, and firewalls. Curfew retries for three days.",
  },
  CURFEW_RECEIVER_TIMEOUT: {
    status: null,
    title: 'The receiver did not respond within 15 seconds',
    action: 'Let the receiver store the notification, answer, and process it afterwards.',
  },
  CURFEW_RECEIVER_REDIRECT: {
    status: null,
    title: 'The receiver responds with a redirect',
    action: "Change the receiver's url in CONFIG_FILE to the final address. Curfew follows no redirect.",
  },
  CURFEW_RECEIVER_STATUS: {
    status: null,
    title: 'The receiver responds with an error',
    action:
      'See httpStatus of the notification. 401 and 403: compare the secrets. 5xx: see the log of the receiver.',
  },
  CURFEW_RECEIVER_GONE: {
    status: null,
    title: 'The receiver responds with 410: it wants no notifications',
    action:
      'Change or remove its entry in CONFIG_FILE, and reload. Until then or until a restart, nothing is sent to it.',
  },
  CURFEW_RECEIVER_UNAVAILABLE: {
    status: null,
    title: 'The receiver was not available for three days, or was removed from the configuration',
    action: 'See GET /receivers. When it is available, send them again: curfew notifications redeliver.',
  },
} as const satisfies ErrorSection
