import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import type { Test } from 'tap'
import { listen } from './listen.ts'

/** A span as a collector receives it. */
export interface CollectedSpan {
  service: string
  scope: string
  name: string
  /** As in the protocol: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number
  traceId: string
  spanId: string
  /** Empty for the root of a trace. */
  parentSpanId: string
  traceState: string
  attributes: Record<string, string | number | boolean>
  links: { traceId: string; spanId: string }[]
  events: number
  statusMessage: string
  /** 0 unset, 1 ok, 2 error. */
  statusCode: number
}

export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  url: string
  spans: CollectedSpan[]
  requests: { path: string; headers: IncomingHttpHeaders }[]
  /** Everything received, as text: to show that something was never sent. */
  text(): string
  /** Resolves once the spans received so far satisfy `isEnough`. */
  until(isEnough: (spans: readonly CollectedSpan[]) => boolean): Promise<CollectedSpan[]>
}

/** A collector on loopback that accepts OTLP over HTTP in protobuf. */
export async function startCollector(t: Test): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const requests: Collector['requests'] = []
  const bodies: Buffer[] = []
  const received = new EventEmitter()
  const server = createServer(async (request, response) => {
    const sent = await buffer(request)
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
    bodies.push(body)
    spans.push(...decodeSpans(body))
    requests.push({ path: request.url ?? '', headers: request.headers })
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    received.emit('spans')
  })
  const port = await listen(server)
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    requests,
    text: () => Buffer.concat(bodies).toString('latin1'),
    async until(isEnough) {
      while (!isEnough(spans)) await once(received, 'spans')
      return spans
    },
  }
}

/** The fields of a protobuf message by number: bytes, or a number. */
type Message = Map<number, (Buffer | bigint)[]>

/** Reads the wire format of protobuf (https://protobuf.dev/programming-guides/encoding/). */
function decode(bytes: Buffer): Message {
  const fields: Message = new Map()
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const take = (length: number) => {
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const type = key & 7
    const value = type === 0 ? varint() : take(type === 1 ? 8 : type === 5 ? 4 : Number(varint()))
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value])
  }
  return fields
}

const bytesOf = (message: Message, field: number): Buffer[] =>
  (message.get(field) ?? []).filter((value) => typeof value !== 'bigint')
const messagesOf = (message: Message, field: number): Message[] => bytesOf(message, field).map(decode)
const textOf = (message: Message, field: number): string => bytesOf(message, field)[0]?.toString() ?? ''
const hexOf = (message: Message, field: number): string => bytesOf(message, field)[0]?.toString('hex') ?? ''
const numberOf = (message: Message, field: number): number => Number(message.get(field)?.[0] ?? 0)

/** After `opentelemetry/proto/trace/v1/trace.proto`. */
function decodeSpans(body: Buffer): CollectedSpan[] {
  return messagesOf(decode(body), 1).flatMap((resourceSpans) => {
    const resource = messagesOf(resourceSpans, 1).map((found) => attributesOf(found, 1))[0]
    return messagesOf(resourceSpans, 2).flatMap((scopeSpans) => {
      const scope = messagesOf(scopeSpans, 1).map((found) => textOf(found, 1))[0] ?? ''
      return messagesOf(scopeSpans, 2).map((span) => ({
        service: String(resource?.['service.name']),
        scope,
        name: textOf(span, 5),
        kind: numberOf(span, 6),
        traceId: hexOf(span, 1),
        spanId: hexOf(span, 2),
        parentSpanId: hexOf(span, 4),
        traceState: textOf(span, 3),
        attributes: attributesOf(span, 9),
        links: messagesOf(span, 13).map((link) => ({ traceId: hexOf(link, 1), spanId: hexOf(link, 2) })),
        events: messagesOf(span, 11).length,
        statusMessage: messagesOf(span, 15).map((status) => textOf(status, 2))[0] ?? '',
        statusCode: messagesOf(span, 15).map((status) => numberOf(status, 3))[0] ?? 0,
      }))
    })
  })
}

function attributesOf(message: Message, field: number): CollectedSpan['attributes'] {
  return Object.fromEntries(
    messagesOf(message, field).map((pair) => [textOf(pair, 1), messagesOf(pair, 2).map(anyValueOf)[0] ?? '']),
  )
}

function anyValueOf(value: Message): string | number | boolean {
  if (value.has(2)) return numberOf(value, 2) === 1
  if (value.has(3)) return numberOf(value, 3)
  const [double] = bytesOf(value, 4)
  return double ? double.readDoubleLE() : textOf(value, 1)
}
