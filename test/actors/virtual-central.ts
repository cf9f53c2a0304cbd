/** A real central on virtual time and a disk in memory, and sites and people that call it over memory links. */
import { AttemptLogs } from "../../src/actors/attempt-logs.js";
import { Central, type CentralOptions } from "../../src/actors/central.js";
import { guardLink } from "../../src/actors/gate.js";
import { createIdSource } from "../../src/actors/ids.js";
import type { Role } from "../../src/core/access.js";
import type { JobSpec, JobView, Lease } from "../../src/core/job.js";
import { silentLogger } from "../../src/core/log.js";
import { CLIENT_API_METHODS, type ClientApi, type LeaseRef, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { VERSION } from "../../src/core/version.js";
import { Ledger, loadState } from "../../src/ledger/ledger.js";
import { type MemoryStore, memoryStore } from "../../src/ledger/memory-store.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { always } from "../../src/router/policy-rules.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import type { Link } from "../../src/wire/link.js";
import { memoryLinkPair } from "../../src/wire/memory-link.js";
import { openDoor } from "./support.js";
import { type VirtualClock, virtualClock } from "./virtual-clock.js";

type Join = Parameters<WorkSource["join"]>[0];
type Held = Parameters<WorkSource["renew"]>[0]["held"][number];

export class VirtualCentral {
  readonly clock: VirtualClock = virtualClock();
  readonly #options: Partial<CentralOptions>;
  store: MemoryStore = memoryStore();
  central!: Central;
  #links: Link[] = [];
  #runs = 0;
  #byte = 0;
  #keys = 0;

  constructor(options: Partial<CentralOptions> = {}) {
    this.#options = options;
  }

  async start(): Promise<this> {
    this.#runs += 1;
    this.#links = [];
    this.central = new Central({
      ledger: new Ledger(this.store, await loadState(this.store)),
      policyOf: always(soonest),
      clock: this.clock,
      logger: silentLogger,
      newJobId: createIdSource((size) => Uint8Array.from({ length: size }, () => this.#byte++ % 256)),
      logs: new AttemptLogs("/nowhere"),
      incarnation: `run${this.#runs}`,
      onDead: () => {},
      ...this.#options,
    });
    this.central.start();
    return this;
  }

  /** The process is gone: links cut, unsynced writes lost. */
  async restart(): Promise<void> {
    for (const link of this.#links) link.close();
    this.store = this.store.crash(0);
    await this.start();
  }

  dial(role: Role): Link {
    const [near, far] = memoryLinkPair();
    const { central, clock } = this;
    guardLink(far, { central, ...openDoor(role, central), clock, logger: silentLogger, peer: "test" });
    this.#links.push(far);
    return near;
  }

  async people(): Promise<ClientApi> {
    const options = { token: "t", version: VERSION, clock: this.clock, party: "client" } as const;
    return (await openSession<ClientApi>(this.dial("operator"), CLIENT_API_METHODS, options)).remote;
  }

  async submit(...jobs: JobSpec[]): Promise<string[]> {
    this.#keys += 1;
    return (await (await this.people()).submit({ key: `k${this.#keys}`, jobs })).jobs;
  }

  async look(id: string): Promise<JobView> {
    return (await this.people()).job({ id });
  }

  async site(name: string, more: Partial<Join> = {}): Promise<VirtualSite> {
    const site = new VirtualSite(this, name);
    await site.join(more);
    return site;
  }
}

/** What a site says, word by word. */
export class VirtualSite {
  readonly #world: VirtualCentral;
  readonly name: string;
  #connection!: Connection<WorkSource>;

  constructor(world: VirtualCentral, name: string) {
    this.#world = world;
    this.name = name;
  }

  get me() {
    return { site: this.name, instance: `${this.name}-1` };
  }
  get remote(): WorkSource {
    return this.#connection.remote;
  }

  async join(more: Partial<Join> = {}) {
    const options = { token: "t", version: VERSION, clock: this.#world.clock, party: "site" } as const;
    this.#connection = await openSession<WorkSource>(this.#world.dial("site"), WORK_SOURCE_METHODS, options);
    return this.remote.join({ ...this.me, host: `${this.name}-host`, slots: 1, apps: ["xpcs.noop"], held: [], ...more });
  }
  poll(slots = 1, waitMs = 10_000) {
    return this.remote.lease({ ...this.me, slots, waitMs });
  }
  /** Polls for as long as it takes. */
  async ask(): Promise<Lease> {
    for (;;) {
      const { leases } = await this.poll();
      if (leases.length > 0) return leases[0]!;
    }
  }
  /** Polls once. @returns how many leases there were */
  async offered(): Promise<number> {
    const poll = this.poll(1, 0);
    await this.#world.clock.advance(1);
    return (await poll).leases.length;
  }
  /** Polls once, and answers with the only lease. */
  async take(): Promise<Lease> {
    const { leases } = await this.poll(1, 0);
    if (leases.length !== 1) throw new Error(`${this.name} got ${leases.length} leases`);
    return leases[0]!;
  }
  async renew(...held: (LeaseRef & { state?: Held["state"]; filesInMs?: number })[]) {
    const all = held.map(({ state = "running", ...more }): Held => ({ ...more, state, progress: null }));
    return (await this.remote.renew({ ...this.me, held: all })).news;
  }
  complete(
    { job, epoch }: LeaseRef,
    more: Partial<Pick<Parameters<WorkSource["complete"]>[0], "summary" | "outputs" | "finishedAtMs">> = {},
  ) {
    const done = { outputs: [], summary: {}, startedAtMs: 0, finishedAtMs: 10, ...more };
    return this.remote.complete({ ...this.me, lease: { job, epoch }, ...done });
  }
  fail({ job, epoch }: LeaseRef, code: "NATIVE_CRASHED" | "CANCELED" | "INVALID_ARGUMENT" | "REFUSED" = "NATIVE_CRASHED") {
    return this.remote.fail({ ...this.me, lease: { job, epoch }, code, reason: `${this.name} failed` });
  }
  giveBack(...leases: LeaseRef[]) {
    const refs = leases.map(({ job, epoch }) => ({ job, epoch }));
    return this.remote.giveBack({ ...this.me, leases: refs, reason: `${this.name} gave it back` });
  }
}
