const DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const LONG_DAY = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)'
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MONTH = `(?<month>${MONTHS.join('|')})`
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)'

/** IMF-fixdate, and the two obsolete forms that a recipient must accept: those of RFC 850 and of C's asctime. */
const FORMS = [
  new RegExp(`^${DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`),
  new RegExp(`^${LONG_DAY}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^${DAY} ${MONTH} (?<day>\\d\\d| \\d) ${TIME} (?<year>\\d{4})$`),
]

/**
 * An HTTP date as ms since the epoch; null for any other text, and for a day or a time that does not exist
 * (RFC 9110, section 5.6.7). `Date.parse` alone accepts "2", "-1" and dates in any time zone.
 * @param now ms since the epoch; says which century a year of two digits is of
 */
export function httpDateMs(text: string, now: number): number | null {
  const found = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups)
  if (!found) return null
  const [day, hour, minute, second] = [found.day, found.hour, found.minute, found.second].map(Number)
  const month = MONTHS.indexOf(found.month ?? '')
  const year = fullYear(found.year ?? '', now)
  const date = new Date(0)
  date.setUTCFullYear(year, month, day)
  // A leap second is the 60th.
  if (date.getUTCDate() !== day || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60)
    return null
  return date.setUTCHours(Number(hour), minute, second)
}

/** A year of two digits is never more than 50 years ahead. */
function fullYear(digits: string, now: number): number {
  if (digits.length === 4) return Number(digits)
  const thisYear = new Date(now).getUTCFullYear()
  const year = thisYear - (thisYear % 100) + Number(digits)
  return year > thisYear + 50 ? year - 100 : year
}
