/** What is used here of the benchmark package, which declares no types of its own. */
declare module "benchmark" {
  interface Deferred {
    resolve(): void;
  }
  interface Options {
    readonly defer?: boolean;
    readonly fn: (deferred: Deferred) => void;
    readonly minSamples?: number;
    /** s */
    readonly maxTime?: number;
  }
  class Benchmark {
    constructor(name: string, options: Options);
    readonly name: string;
    /** Runs per second. */
    readonly hz: number;
    readonly stats: { readonly rme: number };
    readonly error?: Error;
    on(event: "complete", run: () => void): this;
    run(options?: { readonly async?: boolean }): this;
  }
  export default Benchmark;
}
