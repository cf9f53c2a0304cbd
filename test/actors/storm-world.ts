/**
 * A small world on virtual time for storm.test.ts: the real central over a disk that can crash, memory links that can be cut, and sites that
 * behave as a site must, but take random times and die at random moments. Imitates src/sites; keeps no files.
 */
import { AttemptLogs } from "../../src/actors/attempt-logs.js";
import { Central } from "../../src/actors/central.js";
import { guardLink } from "../../src/actors/gate.js";
import { createIdSource } from "../../src/actors/ids.js";
import type { Role } from "../../src/core/access.js";
import { type Clock, sleep, type Timer } from "../../src/core/clock.js";
import { isCode } from "../../src/core/errors.js";
import type { Lease } from "../../src/core/job.js";
import { LIMITS } from "../../src/core/limits.js";
import { silentLogger } from "../../src/core/log.js";
import {
  CLIENT_API_METHODS,
  type ClientApi,
  type LeaseRef,
  type SiteNews,
  WORK_SOURCE_METHODS,
  type WorkSource,
} from "../../src/core/protocols.js";
import { VERSION } from "../../src/core/version.js";
import { Ledger, loadState } from "../../src/ledger/ledger.js";
import { type MemoryStore, memoryStore } from "../../src/ledger/memory-store.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import type { Link } from "../../src/wire/link.js";
import { memoryLinkPair } from "../../src/wire/memory-link.js";
import { openDoor } from "./support.js";
import type { VirtualClock } from "./virtual-clock.js";

/** A clock whose timers wait while it is paused, as those of a stopped process do. */
class PausableClock implements Clock {
  readonly #clock: Clock;
  #paused: (() => void)[] | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  nowMs(): number {
    return this.#clock.nowMs();
  }
  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }
  after(delayMs: number, run: () => void): Timer {
    let live = true;
    const fire = () => {
      if (live) run();
    };
    const timer = this.#clock.after(delayMs, () => {
      if (this.#paused === null) fire();
      else this.#paused.push(fire);
    });
    return {
      cancel: () => {
        live = false;
        timer.cancel();
      },
    };
  }
  pause(): void {
    this.#paused ??= [];
  }
  resume(): void {
    const due = this.#paused ?? [];
    this.#paused = null;
    for (const run of due) run();
  }
}

/** The link with a fixed delay each way, which keeps order; what is on its way when it closes is lost. */
function slowLink(link: Link, clock: Clock, delayMs: number): Link {
  let open = true;
  link.onClose(() => {
    open = false;
  });
  const later = (run: () => void) => clock.after(delayMs, () => open && run());
  return {
    send: (bytes) => void later(() => link.send(bytes)),
    onBytes: (receive) => link.onBytes((bytes) => void later(() => receive(bytes))),
    onClose: link.onClose,
    close: link.close,
    buffered: 0,
  };
}

export class World {
  readonly clock: VirtualClock;
  readonly rng: () => number;
  store: MemoryStore;
  central: Central | null = null;
  /** False: nobody can connect. */
  network = true;
  #links = new Set<Link>();
  #runs = 0;

  constructor(clock: VirtualClock, rng: () => number) {
    this.clock = clock;
    this.rng = rng;
    // A synced write takes some ms, so a crash can come while one is on its way.
    this.store = memoryStore(() => sleep(clock, 1 + rng() * 8));
  }

  async startCentral(): Promise<void> {
    this.#runs += 1;
    const ledger = new Ledger(this.store, await loadState(this.store));
    const { clock, rng } = this;
    const randomBytes = (size: number) => Uint8Array.from({ length: size }, () => Math.floor(rng() * 256));
    const central = new Central({
      ledger,
      policy: soonest,
      clock,
      logger: silentLogger,
      newJobId: createIdSource(randomBytes),
      logs: new AttemptLogs("/nowhere"),
      incarnation: `run${this.#runs}`,
      onDead: () => {},
    });
    central.start();
    this.central = central;
  }

  /** Central is gone at once; unsynced writes are lost, but for a random prefix. */
  crashCentral(): void {
    this.store = this.store.crash(Math.floor(this.rng() * 3));
    this.central = null;
    this.cutLinks(1);
  }

  /** Cuts this share of the links. */
  cutLinks(share: number): void {
    for (const link of [...this.#links]) if (this.rng() < share) link.close();
  }

  /** @param peerClock the clock of the process that dials: while it stands still, nothing comes out or in */
  dial(role: Role, peerClock: Clock): Link {
    const { central, clock } = this;
    const [near, far] = memoryLinkPair();
    if (central === null || !this.network) near.close();
    else guardLink(far, { central, ...openDoor(role, central), clock, logger: silentLogger, peer: "storm" });
    this.#links.add(far);
    far.onClose(() => this.#links.delete(far));
    return slowLink(near, peerClock, 1 + this.rng() * 40);
  }

  client(): Promise<Connection<ClientApi>> {
    const options = { token: "t", version: VERSION, party: "client", clock: this.clock } as const;
    return openSession<ClientApi>(this.dial("operator", this.clock), CLIENT_API_METHODS, options);
  }

  /** Calls until central answers; only for calls that a repeat cannot harm. */
  async insist<T>(call: (api: ClientApi) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const { remote, close } = await this.client();
        const answer = await call(remote);
        close();
        return answer;
      } catch (error) {
        if (!isCode(error, "UNAVAILABLE") && !isCode(error, "DEADLINE_EXCEEDED")) throw error;
        await sleep(this.clock, 300);
      }
    }
  }
}

/** One process of a site. */
export class StormSite {
  readonly #world: World;
  readonly #me: { site: string; instance: string };
  readonly #clock: PausableClock;
  readonly #slots = 2;
  #connection: Connection<WorkSource> | null = null;
  readonly #held = new Map<string, LeaseRef>();
  #source: WorkSource | null = null;
  #dead = false;

  constructor(world: World, site: string, instance: string) {
    this.#world = world;
    this.#clock = new PausableClock(world.clock);
    this.#me = { site, instance };
    void this.#connectLoop();
    void this.#renewLoop();
  }

  /** kill -9: what it was doing never ends, and its link closes. */
  kill(): void {
    this.#dead = true;
    this.#connection?.close();
  }

  /** SIGSTOP and SIGCONT. */
  pause(): void {
    this.#clock.pause();
  }
  resume(): void {
    this.#clock.resume();
  }

  async #connectLoop(): Promise<void> {
    const clock = this.#clock;
    while (!this.#dead) {
      try {
        const options = { token: "t", version: VERSION, party: "site", clock } as const;
        const connection = await openSession<WorkSource>(this.#world.dial("site", clock), WORK_SOURCE_METHODS, options);
        const held = [...this.#held.values()];
        const { news } = await connection.remote.join({ ...this.#me, host: "h", slots: this.#slots, apps: ["xpcs.noop"], held });
        if (this.#dead) return connection.close();
        this.#connection = connection;
        this.#source = connection.remote;
        this.#hear(news);
        void this.#leaseLoop(connection.remote);
        await connection.closed;
      } catch {
        // Refused or cut: the next try is due below.
      }
      this.#source = null;
      await sleep(clock, 500);
    }
  }

  async #leaseLoop(source: WorkSource): Promise<void> {
    while (!this.#dead && this.#source === source) {
      try {
        const { leases, news } = await source.lease({ ...this.#me, slots: this.#slots - this.#held.size, waitMs: 2_000 });
        if (this.#dead) return;
        for (const lease of leases) void this.#run(lease);
        this.#hear(news);
      } catch {
        await sleep(this.#clock, 500);
      }
    }
  }

  async #renewLoop(): Promise<void> {
    while (!this.#dead) {
      await sleep(this.#clock, LIMITS.renewMs);
      const held = [...this.#held.values()].map((lease) => ({ ...lease, state: "running" as const, progress: null }));
      const answer = await this.#source?.renew({ ...this.#me, held }).catch(() => null);
      if (answer && !this.#dead) this.#hear(answer.news);
    }
  }

  #hear({ lost, cancel }: SiteNews): void {
    for (const { job, epoch } of lost) if (this.#held.get(job)?.epoch === epoch) this.#held.delete(job);
    for (const lease of cancel) {
      if (this.#held.get(lease.job)?.epoch !== lease.epoch) continue;
      void this.#report(lease, (source) => source.fail({ ...this.#me, lease, code: "CANCELED", reason: "stopped" }));
    }
  }

  async #run({ job, epoch }: Lease): Promise<void> {
    const { rng } = this.#world;
    const clock = this.#clock;
    const lease = { job, epoch };
    this.#held.set(job, lease);
    await sleep(clock, 200 + rng() * 6_000);
    if (this.#dead || this.#held.get(job)?.epoch !== epoch) return;
    if (rng() < 0.1) return this.#report(lease, (source) => source.fail({ ...this.#me, lease, code: "NATIVE_CRASHED", reason: "crash" }));
    const done = { lease, outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 1_000 };
    return this.#report(lease, (source) => source.complete({ ...this.#me, ...done }));
  }

  /** Reports until central has answered; then, and only then, lets go of the lease. */
  async #report(lease: LeaseRef, call: (source: WorkSource) => Promise<unknown>): Promise<void> {
    while (!this.#dead && this.#held.get(lease.job)?.epoch === lease.epoch) {
      try {
        if (this.#source === null) throw new Error("not connected");
        await call(this.#source);
        this.#held.delete(lease.job);
      } catch (error) {
        if (isCode(error, "STALE_LEASE") || isCode(error, "NOT_FOUND")) this.#held.delete(lease.job);
        else await sleep(this.#clock, 400);
      }
    }
  }
}
