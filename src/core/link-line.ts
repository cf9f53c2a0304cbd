/**
 * How long files take to a site, as a line over the bytes that are on their way there: a part that each job takes, and one that grows with what shares the
 * link. Least squares that forget, with a little of what one would guess without any: half of the time goes with the bytes. Pure.
 */

/** Sums over what was seen: x bytes that shared the link, y ms. */
export interface LinkLine {
  readonly n: number;
  readonly x: number;
  readonly y: number;
  readonly xx: number;
  readonly xy: number;
}

/** What the past counts beside the next one: some fifty jobs, since those of one transfer tell one thing. */
const PAST = 0.98;
/** Observations for which the guess stands. */
const GUESSED = 20;
const GUESSED_SHARE = 0.95;
/** With fewer there is no line. */
const COUNT_MIN = 4;

/** With one more. */
export function lineWith(before: LinkLine | undefined, bytes: number, ms: number): LinkLine {
  const { n, x, y, xx, xy } = before ?? { n: 0, x: 0, y: 0, xx: 0, xy: 0 };
  return { n: PAST * n + 1, x: PAST * x + bytes, y: PAST * y + ms, xx: PAST * xx + bytes * bytes, xy: PAST * xy + bytes * ms };
}

/** The line; null: too little was seen. Neither part is below 0. */
export function lineOf(line: LinkLine | undefined): { readonly fixedMs: number; readonly msPerByte: number } | null {
  if (line === undefined || line.n < COUNT_MIN || line.x <= 0) return null;
  const { n, x, y, xx, xy } = line;
  const [meanX, meanY] = [x / n, y / n];
  const guess = GUESSED * meanX * meanX;
  const slope = (xy - n * meanX * meanY + guess * GUESSED_SHARE * (meanY / meanX)) / (xx - n * meanX * meanX + guess);
  const msPerByte = Math.min(Math.max(0, slope), meanY / meanX);
  return { fixedMs: meanY - msPerByte * meanX, msPerByte };
}
