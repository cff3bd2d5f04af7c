const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const LONG_DAY = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)'
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MONTH = `(?<month>${MONTHS.join('|')})`
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)'

/** IMF-fixdate, and the two obsolete formats that recipients must accept: RFC 850 and C's asctime. */
const FORMS = [
  new RegExp(`^${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>\\d\\d| \\d) ${TIME} (?<year>\\d{4})$`),
]

/**
 * Parses an HTTP date to ms since the epoch. Returns null for any other text, and for a date or time that does not
 * exist (RFC 9110, section 5.6.7). `Date.parse` alone accepts "2", "-1" and dates in any time zone.
 * @param now ms since the epoch; determines the century of a two-digit year
 */
export function httpDateMs(text: string, now: number): number | null {
  const found = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups)
  if (!found) return null
  const [day, hour, minute, second] = [found.day, found.hour, found.minute, found.second].map(Number)
  const month = MONTHS.indexOf(found.month ?? '')
  const year = fullYear(found.year ?? '', now)
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  // Second 60 is a leap second.
  if (date.getUTCDate() !== day || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60)
    return null
  return date.setUTCHours(Number(hour), minute, second)
}

/** A two-digit year is at most 50 years in the future (RFC 9110, section 5.6.7). */
function fullYear(digits: string, now: number): number {
  if (digits.length === 4) return Number(digits)
  const thisYear = new Date(now).getUTCFullYear()
  const year = thisYear - (thisYear % 100) + Number(digits)
  return year > thisYear + 50 ? year - 100 : year
}
