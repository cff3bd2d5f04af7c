import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createClient } from 'redis'
import type { Bench } from './support.ts'

/** The version of the installed Redis, or null. */
export function redisVersion(): string | null {
  try {
    return /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? null
  } catch {
    return null
  }
}

/** Starts Redis with every write on disk before it is answered, and returns its socket. It stops with the bench. */
export async function startRedis(bench: Bench): Promise<string> {
  const socket = join(bench.folder, 'redis.sock')
  const listen = ['--port', '0', '--unixsocket', socket, '--dir', bench.folder]
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
  const server = spawn('redis-server', [...listen, ...durable], { stdio: 'ignore' })
  const end = () => server.kill('SIGKILL')
  process.once('exit', end)
  bench.onEnd(async () => {
    const exited = once(server, 'exit')
    server.kill('SIGTERM')
    await exited
    process.off('exit', end)
  })
  const client = createClient({ socket: { path: socket, tls: false, reconnectStrategy: 50 } })
  client.on('error', () => {})
  await client.connect()
  await client.close()
  return socket
}
