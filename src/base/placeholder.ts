/** The message for a value that is still a placeholder. */
export const PLACEHOLDER = 'expected your own value; this is still the placeholder of the example'

/** Whether a value contains the placeholder of `.env.example` and `deploy/kubernetes/secret.yaml`. */
export function isPlaceholder(value: string): boolean {
  return /replace-me/i.test(value)
}
