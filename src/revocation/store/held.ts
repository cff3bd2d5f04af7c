export * from './held-store.ts'
