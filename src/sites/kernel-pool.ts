/** Warm kernel hosts, one per slot: the start of a process and the load of the addon are paid before a job comes. */
import type { CorrSummary } from "../core/analysis.js";
import type { Logger } from "../core/log.js";
import type { HostProcess, KernelRun } from "./kernel-host.js";

export interface KernelPool {
  /** Runs work in an idle host, or in a new one. A host that failed is replaced, never used again. */
  run(request: KernelRun): Promise<{ summary: CorrSummary | null }>;
  /** Ends every host. */
  close(): Promise<void>;
}

export interface KernelPoolOptions {
  readonly slots: number;
  readonly logger: Logger;
  readonly start: () => HostProcess;
}

/** Starts `slots` hosts at once. */
export function createKernelPool({ slots, logger, start }: KernelPoolOptions): KernelPool {
  const idle: HostProcess[] = [];
  const busy = new Set<HostProcess>();
  let closed = false;
  for (let count = 0; count < slots; count += 1) idle.push(start());

  const take = (): HostProcess => {
    for (let host = idle.pop(); host !== undefined; host = idle.pop()) {
      if (host.usable) return host;
      void host.kill();
    }
    return start();
  };
  const giveBack = (host: HostProcess): void => {
    busy.delete(host);
    if (closed) return void host.kill();
    if (host.usable) return void idle.push(host);
    logger.warn("kernel-host-replaced", { pid: host.pid });
    idle.push(start());
  };

  return {
    async run(request) {
      const host = take();
      busy.add(host);
      try {
        return await host.run(request);
      } finally {
        giveBack(host);
      }
    },
    async close() {
      closed = true;
      await Promise.all([...idle.splice(0), ...busy].map((host) => host.kill()));
    },
  };
}
