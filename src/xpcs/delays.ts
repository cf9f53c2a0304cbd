/** The delays of the multi-tau scheme, as XPCS-Eigen lays them out. */

export interface Delay {
  readonly level: number;
  /** In frames of the series. */
  readonly tau: number;
}

/**
 * Delays of the multi-tau scheme: level L has steps of 2^L frames, 2*dpl delays at level 0 and dpl at each other.
 * @param frames length of the series
 * @param dpl delays per level, at least 1
 */
export function delayScheme(frames: number, dpl: number): Delay[] {
  const maxLevel = frames < 2 * dpl ? 0 : Math.trunc(Math.floor(Math.log2(frames) - Math.log2(1 + 1 / dpl)) - Math.log2(dpl));
  const delays: Delay[] = [];
  let tau = 0;
  for (let level = 0; level <= maxLevel; level++) {
    const step = 2 ** level;
    for (let k = 0; k < (level === 0 ? 2 * dpl : dpl); k++) {
      if (tau + 2 * step > frames) break;
      tau += step;
      delays.push({ level, tau });
    }
  }
  return delays;
}
