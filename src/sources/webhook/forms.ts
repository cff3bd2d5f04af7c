import type { Form } from '../../config-forms.ts'

/** Whether a text can be the value of a header, and is long enough not to be guessed. */
export function isBearable(text: string): boolean {
  return text.length >= 16 && text.length <= 512 && /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(text)
}

/** A secret of the user's own choice. */
export const SHARED_SECRET: Form = { isGood: isBearable, expected: 'expected 16 to 512 printable characters' }

/** A file that holds one secret, or several while one is replaced, one a line. */
export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
