/**
 * How the names of users are compared. Qlik Cloud compares subjects and e-mail addresses without regard to letter case, but
 * does not say how far that goes beyond ASCII, or which Unicode forms it takes for the same. So a name is taken for another
 * one only where every such comparison agrees, and kept apart from all that any of them could take for it.
 */

/** Whether two names are equal, or differ in the case of ASCII letters only. */
export function isSameName(one: string, other: string): boolean {
  return one === other || withLowerAscii(one) === withLowerAscii(other)
}

/**
 * Whether a comparison without regard to case, accents, compatibility forms or invisible characters could take one name
 * for the other: `kate` for the same with a Kelvin sign (U+212A), `strasse` for `straße`.
 */
export function isSimilarName(one: string, other: string): boolean {
  return fold(one) === fold(other)
}

/** Whether a name has nothing that comparisons disagree about: then only the same name is similar among such names. */
export function isPlainName(name: string): boolean {
  return /^[\x20-\x7e]*$/.test(name)
}

function withLowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}

/** Lower case first, as ẞ has no other capital; capitals then, as ß and ı differ from ss and i in small letters only. */
function fold(text: string): string {
  const letters = text.normalize('NFKD').toLowerCase().toUpperCase().toLowerCase()
  return letters.normalize('NFKD').replace(/[\p{M}\p{Default_Ignorable_Code_Point}]/gu, '')
}
