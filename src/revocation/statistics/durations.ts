/** Each bucket ends at 1.1 times its beginning. The middle of a bucket is within 5 % of every duration in it. */
const GROWTH = 1.1

/** `floor(ln(ms) * this)` is the bucket: both stores compute it in SQL, too. */
export const BUCKETS_PER_E = 1 / Math.log(GROWTH)

/** Enough for 60 days. */
const BUCKETS = 240

/** The number of durations in each bucket. */
export type Histogram = Uint32Array

export function emptyHistogram(): Histogram {
  return new Uint32Array(BUCKETS)
}

/** @param ms a duration; below 1 it is counted as 1 */
export function bucketOf(ms: number): number {
  return Math.floor(Math.log(Math.max(ms, 1)) * BUCKETS_PER_E)
}

/** Adds durations; longer ones than the last bucket are counted there. */
export function addTo(histogram: Histogram, bucket: number, count: number): void {
  const place = Math.min(Math.max(bucket, 0), BUCKETS - 1)
  histogram[place] = (histogram[place] ?? 0) + count
}

export function sumOf(histograms: Iterable<Histogram>): Histogram {
  const sum = emptyHistogram()
  for (const one of histograms) for (const [bucket, count] of one.entries()) addTo(sum, bucket, count)
  return sum
}

export function countOf(histogram: Histogram): number {
  return histogram.reduce((sum, count) => sum + count, 0)
}

/**
 * The duration that a part of all durations does not exceed, in ms, with an error of up to 5 %; null if there is none.
 * @param part for example 0.99
 */
export function quantile(histogram: Histogram, part: number): number | null {
  let left = Math.ceil(countOf(histogram) * part)
  if (left === 0) return null
  const bucket = histogram.findIndex((count) => {
    left -= count
    return left <= 0
  })
  return GROWTH ** (bucket + 0.5)
}
