export * from './run-store.ts'
