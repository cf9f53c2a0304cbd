/** At most so many at a time; the rest wait in order. */

export interface Lanes {
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** @param count at a time */
export function lanes(count: number): Lanes {
  let free = count;
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (free > 0) free -= 1;
      else await new Promise<void>((go) => waiting.push(go));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
}
