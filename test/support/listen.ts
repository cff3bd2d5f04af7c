export { listen } from '../../src/sandbox/listen.ts'
