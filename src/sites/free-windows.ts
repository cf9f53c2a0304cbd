/** Times for which nodes are free before a job that was promised them begins, as some schedulers list them: which walltimes fit one. Pure. */

export interface FreeWindow {
  readonly nodes: number;
  /** Null: without an end. */
  readonly forS: number | null;
}

/** For each walltime 0 if a batch job of so many nodes fits a window now, else null: the scheduler does not tell when it would begin. */
export function waitsIn(windows: readonly FreeWindow[], nodes: number, walltimesS: readonly number[]): (number | null)[] {
  return walltimesS.map((walltimeS) => {
    const free = windows.filter(({ forS }) => forS === null || forS >= walltimeS).reduce((most, window) => Math.max(most, window.nodes), 0);
    return free >= nodes ? 0 : null;
  });
}
