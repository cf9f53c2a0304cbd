/**
 * The multi-tau two-time correlation of a result as a picture over the logarithms of lag and age. What it is: docs/twotime.md; how it is
 * read: result-file.ts.
 */

/** Means of C2 by age and lag, as the file has them. */
export interface AgeLag {
  /** Lags in frames of the series, ascending [D]. */
  readonly delays: readonly number[];
  /** Bins of age in frames [A + 1], the first edge 0. */
  readonly ageEdges: readonly number[];
  /** [A, D] mean of C2; NaN where there is none. */
  readonly values: readonly number[];
}

export interface AgeLagPicture {
  /** [side, side] over the logarithms, the youngest age first; NaN where there is no value. */
  readonly values: Float64Array;
  /** Where the picture begins and ends, in frames. */
  readonly lag: readonly [number, number];
  readonly age: readonly [number, number];
  /** 1st to 99th percentile of the values, each with the width of its bin of age: the youngest are single frames and mostly noise. */
  readonly range: readonly [number, number];
}

/** The youngest age that is shown, in frames: the bin from 0 to 1 has no beginning on a logarithmic axis. */
const AGE_MIN = 0.5;

/** Each lag reaches halfway to its neighbours on the logarithmic axis; ages without a value at any lag are left out. */
export function ageLagPicture({ delays, ageEdges, values }: AgeLag, side: number): AgeLagPicture {
  const D = delays.length;
  const known = Array.from({ length: ageEdges.length - 1 }, (_, a) => a).filter((a) =>
    values.slice(a * D, (a + 1) * D).some(Number.isFinite),
  );
  const age: [number, number] = [Math.max(AGE_MIN, ageEdges[known[0] ?? 0] ?? 0), ageEdges[(known.at(-1) ?? 0) + 1] ?? 1];
  const lagEdges = edgesOf(delays);
  const lag: [number, number] = [lagEdges[0]!, lagEdges.at(-1)!];
  const picture = new Float64Array(side * side);
  const columns = Array.from({ length: side }, (_, x) => binOf(lagEdges, between(lag, (x + 0.5) / side)));
  for (let y = 0; y < side; y++) {
    const a = binOf(ageEdges, between(age, (y + 0.5) / side));
    for (let x = 0; x < side; x++) picture[y * side + x] = values[a * D + columns[x]!] ?? Number.NaN;
  }
  return { values: picture, lag, age, range: rangeOf({ delays, ageEdges, values }) };
}

function rangeOf({ delays, ageEdges, values }: AgeLag): [number, number] {
  const known = values
    .map((value, at) => {
      const a = Math.floor(at / delays.length);
      return { value, width: ageEdges[a + 1]! - ageEdges[a]! };
    })
    .filter(({ value }) => Number.isFinite(value))
    .sort((a, b) => a.value - b.value);
  const total = known.reduce((sum, { width }) => sum + width, 0);
  const percentile = (share: number): number => {
    let below = 0;
    const reaches = known.find(({ width }) => {
      below += width;
      return below >= share * total;
    });
    return reaches?.value ?? 0;
  };
  return [percentile(0.01), percentile(0.99)];
}

function edgesOf(delays: readonly number[]): number[] {
  const middle = (a: number, b: number): number => Math.sqrt(a * b);
  const [first, last] = [delays[0] ?? 1, delays.at(-1) ?? 1];
  const inner = delays.slice(1).map((delay, i) => middle(delays[i]!, delay));
  return [first ** 2 / (inner[0] ?? first * 2 ** 0.5), ...inner, last ** 2 / (inner.at(-1) ?? last / 2 ** 0.5)];
}

function between([low, high]: readonly [number, number], share: number): number {
  return low * (high / low) ** share;
}

/** The bin that holds a value: edges[bin] <= value < edges[bin + 1]. */
function binOf(edges: readonly number[], value: number): number {
  const next = edges.findIndex((edge) => edge > value);
  return (next < 0 ? edges.length - 1 : next) - 1;
}
