export * from './size-store.ts'
