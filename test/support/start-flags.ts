import packageJson from '../../package.json' with { type: 'json' }

/** Node's memory flags in `npm start`: docs/scaling.md. */
export const START_FLAGS: string[] = packageJson.scripts.start.match(/--(?:max|heap)-\S+/g) ?? []
