/**
 * How user names are compared. Qlik Cloud compares subjects and e-mail addresses case-insensitively, but does not
 * document how far that goes beyond ASCII, or which Unicode forms it treats as equal. So two names count as the same
 * only if every plausible comparison agrees, and as distinct only if none could match them.
 */

/** Whether two names are equal, or differ only in the case of ASCII letters. */
export function isSameName(one: string, other: string): boolean {
  return one === other || withLowerAscii(one) === withLowerAscii(other)
}

/**
 * Whether a comparison that ignores case, accents, compatibility forms or invisible characters could match two names:
 * `kate` and the same name with a Kelvin sign (U+212A), `strasse` and `straße`.
 */
export function isSimilarName(one: string, other: string): boolean {
  return fold(one) === fold(other)
}

/** Whether all comparisons treat a name in the same way: among plain names, only the same name is similar. */
export function isPlainName(name: string): boolean {
  return /^[\x20-\x7e]*$/.test(name)
}

/** Equal for names that `isSameName`. */
export function withLowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/**
 * Lower case first, because ẞ has no other capital; then upper case, because ß and ı differ from ss and i only in
 * lower case.
 */
function fold(text: string): string {
  const letters = text.normalize('NFKD').toLowerCase().toUpperCase().toLowerCase()
  return letters.normalize('NFKD').replace(/[\p{M}\p{Default_Ignorable_Code_Point}]/gu, '')
}
