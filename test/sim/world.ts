/**
 * The world of a simulation: the real central over a disk that can lose what it has not synced, real sites with real attempts over files in
 * memory and kernels that only wait, real clients; all on virtual time, from one seed. What goes wrong in it is faults.ts, what it is asked
 * workload.ts, and what must hold promises.ts.
 */
import { AttemptLogs } from "../../src/actors/attempt-logs.js";
import { Central, type CentralOptions } from "../../src/actors/central.js";
import { guardLink } from "../../src/actors/gate.js";
import { createIdSource } from "../../src/actors/ids.js";
import type { CorrSummary } from "../../src/core/analysis.js";
import { sleep } from "../../src/core/clock.js";
import { XpcsError } from "../../src/core/errors.js";
import type { SiteCapacity } from "../../src/core/job.js";
import type { Logger } from "../../src/core/log.js";
import { CLIENT_API_METHODS, type ClientApi, WORK_SOURCE_METHODS, type WorkSource } from "../../src/core/protocols.js";
import { VERSION } from "../../src/core/version.js";
import { Ledger, loadState } from "../../src/ledger/ledger.js";
import { type MemoryStore, memoryStore } from "../../src/ledger/memory-store.js";
import { runningAttempts, type State } from "../../src/ledger/state.js";
import type { EventStore } from "../../src/ledger/store.js";
import { soonest } from "../../src/router/policies/soonest.js";
import { always } from "../../src/router/policy-rules.js";
import type { KernelRun } from "../../src/sites/kernel-host.js";
import type { KernelPool } from "../../src/sites/kernel-pool.js";
import { runSite, type Site, type SiteOptions } from "../../src/sites/site.js";
import { NO_ORDERS } from "../../src/sites/site-orders.js";
import { type Connection, openSession } from "../../src/wire/connect.js";
import { type Reconnecting, reconnecting } from "../../src/wire/reconnecting.js";
import { openDoor } from "../actors/support.js";
import { type VirtualClock, virtualClock } from "../actors/virtual-clock.js";
import { seeded } from "../ledger/world.js";
import { Farm, type FarmReplacements, hasPilots } from "./farm.js";
import { mountFiles, SimFiles } from "./files.js";
import { Network } from "./network.js";
import { SimProcess } from "./process.js";
import type { Broken } from "./promises.js";
import { SlowLinks } from "./slow-link.js";

export const SITE_NAMES = ["a", "b", "c"] as const;
export const SLOTS = 2;

/** Of a kernel that only waits. */
const NOTHING_FOUND = { warnings: [], timings: {} } as unknown as CorrSummary;

/** Parts of the product that a planted defect replaces; each absent in the product itself. */
export interface Replacements {
  readonly ledger?: (ledger: Ledger) => void;
  readonly store?: (store: EventStore) => EventStore;
  readonly central?: (central: Central) => void;
  readonly policyOf?: CentralOptions["policyOf"];
  /** The site's view of central. */
  readonly source?: (source: WorkSource) => WorkSource;
  /** What a client sends. */
  readonly client?: (api: ClientApi) => ClientApi;
  readonly farm?: FarmReplacements;
}

/** Bytes that got their final name. */
export interface Publication {
  readonly path: string;
  readonly text: string;
  /** Central had said that the lease is current, asked after the bytes were made. */
  readonly confirmed: boolean;
  /** No other attempt of the job might have published at that time too. */
  readonly alone: boolean;
}

interface Traits {
  /** Slots' worth of jobs that a site takes ahead. */
  readonly prefetch: number;
  /** Times as long as others it takes for its work. */
  readonly slowness: number;
  /** Where files take a while; null: on a shared path. */
  readonly link: { readonly pieceMs: number; readonly transfersMax: number } | null;
}

/** Checkpoints come after any commit, and records ahead of them, so that crashes find them half done. */
class CheckpointingLedger extends Ledger {
  rng: () => number = () => 1;
  override async commit(wantsCheckpoint = false): Promise<void> {
    await super.commit(wantsCheckpoint || this.rng() < 0.05);
  }
  override async settle(isQuiet: boolean): Promise<void> {
    await super.settle(isQuiet || this.rng() < 0.05);
  }
}

export class World {
  readonly clock: VirtualClock = virtualClock(undefined, 1);
  readonly files = new SimFiles(() => this.clock.nowMs());
  readonly network: Network;
  readonly marks = new Set<string>();
  readonly publications: Publication[] = [];
  /** Texts that kernels made (`job epoch process`), and when, ms. */
  readonly made = new Map<string, number>();
  /** Attempts with files whose work has begun, as `job epoch`. */
  readonly begun = new Set<string>();
  /** What central last said of a lease, by `job epoch process`: when it was asked, or that the lease is lost. */
  readonly #renewed = new Map<string, number | "lost">();
  store: MemoryStore;
  central: Central | null = null;
  centralProcess: SimProcess | null = null;
  readonly sites = new Map<string, SimProcess>();
  readonly apps = ["xpcs.noop", "xpcs.corr"] as const;
  readonly capacity: SiteCapacity = { cores: 2, memoryGb: 8, gpus: 0, nodes: 1, walltimeS: null };
  readonly farm: Farm;
  /** What runs in them. */
  readonly #running = new Map<string, Site>();
  readonly #traits: Readonly<Record<string, Traits>>;
  readonly #links = new SlowLinks({ broke: (broken) => this.broke(broken), mark: (what) => this.marks.add(what) });
  /** Set by a fault: the next write of the ledger is cut short, and central with it. */
  crashInWrite: { downMs: number } | null = null;
  /** The time of faults is over. */
  peace = false;
  /** Sites whose kernels crash, all of them. */
  readonly crashing = new Set<string>();
  /** Sites that never come back. */
  readonly retired = new Set<string>();
  /** The site whose kernels compute something else, in some runs. */
  readonly #faulty: string | null;
  /** A site that may never come back has ended with something left to do. */
  leavesHalves = false;
  /** The first promise that was seen broken as it ran. */
  broken: Broken | null = null;
  readonly #seed: number;
  readonly #replacements: Replacements;
  #streams = 0;
  #runs = 0;

  constructor(seed: number, replacements: Replacements = {}) {
    this.#seed = seed;
    this.#replacements = replacements;
    this.network = new Network(this.stream(), (what) => this.marks.add(what));
    this.store = memoryStore(() => this.#sync());
    const rng = this.stream();
    const trait = () => ({ prefetch: Math.floor(rng() * 4), slowness: 1 + 3 * rng() * rng() });
    const linkRng = this.stream();
    const link = () => (linkRng() < 0.5 ? { pieceMs: 400 * linkRng(), transfersMax: 1 + Math.floor(linkRng() * 3) } : null);
    this.#faulty = rng() < 0.3 ? SITE_NAMES[Math.floor(rng() * SITE_NAMES.length)]! : null;
    this.#traits = Object.fromEntries(SITE_NAMES.map((name) => [name, { ...trait(), link: link() }]));
    for (const folder of ["/data", "/out", ...SITE_NAMES.map((name) => `/sites/${name}`)]) this.files.folder(folder);
    for (const name of ["in.bin", "q.hdf"]) this.files.write(`/data/${name}`, name);
    this.files.onPublish = (path, text) => {
      const askedMs = this.#renewed.get(text) ?? "lost";
      const madeMs = this.made.get(text) ?? Number.POSITIVE_INFINITY;
      this.publications.push({ path, text, confirmed: askedMs !== "lost" && askedMs >= madeMs, alone: this.#isAlone(text) });
    };
    mountFiles(this.files);
    this.farm = new Farm(this, replacements.farm ?? {}, hasPilots(seed));
  }

  broke(broken: Broken): void {
    this.broken ??= broken;
  }

  /** While its attempt has the right to publish, nobody else has. */
  #isAlone(text: string): boolean {
    const [id = "", epoch] = text.split(" ");
    const job = this.central?.state.jobs.get(id);
    const running = job === undefined ? [] : runningAttempts(job);
    return running.length < 2 || !running.some((attempt) => attempt.epoch === Number(epoch));
  }

  /** P5: a comparison names the site that computes something else, and no other. */
  checkVerdicts(state: State): void {
    for (const { id, crossCheck } of state.jobs.values()) {
      if (crossCheck === undefined) continue;
      const { agreed, wrong, runs } = crossCheck;
      const sites = runs.map(({ site }) => site);
      if (new Set(sites).size < sites.length) throw new Error(`job ${id} was checked at a site where it had run: ${sites.join(" ")}`);
      const faulty = sites.filter((site) => site === this.#faulty);
      if (agreed !== (faulty.length === 0))
        throw new Error(`job ${id} ran at ${sites.join(" ")}, of which ${faulty} is faulty: ${crossCheck.reason}`);
      if (wrong !== (sites.length > 2 ? (faulty[0] ?? null) : null)) throw new Error(`job ${id}: ${wrong} is not ${faulty}`);
    }
  }

  /** Random numbers of one part of the world: what another part draws does not move them. */
  stream(): () => number {
    this.#streams += 1;
    return seeded(this.#seed * 1_000_003 + this.#streams * 7919);
  }

  logger(): Logger {
    const log = (event: string) => void this.marks.add(event);
    return { info: log, warn: log, error: log };
  }

  /** A synced write takes some ms. */
  async #sync(): Promise<void> {
    const process = this.centralProcess!;
    const takes = 1 + process.rng() * 8;
    if (this.crashInWrite !== null) {
      const { downMs } = this.crashInWrite;
      this.crashInWrite = null;
      this.marks.add("central crashed in a write");
      this.clock.after(takes * process.rng(), () => {
        this.crashCentral();
        this.clock.after(downMs, () => void this.startCentral());
      });
    }
    await sleep(process.clock, takes);
  }

  /** A new process, whose name no other has. */
  process(name: string): SimProcess {
    this.#runs += 1;
    return new SimProcess(`${name}#${this.#runs}`, this.clock, this.stream());
  }

  /** A process is gone, by itself or by force: its machine's files stay, its links close. */
  end(process: SimProcess): void {
    process.kill();
    this.network.gone(process);
  }

  async startCentral(): Promise<void> {
    if (this.centralProcess !== null) return;
    const process = this.process("central");
    this.centralProcess = process;
    await process.run(async () => {
      const store = this.#replacements.store?.(this.store) ?? this.store;
      const ledger = new CheckpointingLedger(store, await loadState(store));
      if (!process.alive) return;
      ledger.rng = process.rng;
      this.#replacements.ledger?.(ledger);
      const randomBytes = (size: number) => Uint8Array.from({ length: size }, () => Math.floor(process.rng() * 256));
      const central = new Central({
        ledger,
        policyOf: this.#replacements.policyOf ?? always(soonest),
        clock: process.clock,
        logger: this.logger(),
        newJobId: createIdSource(randomBytes),
        logs: new AttemptLogs("/nowhere"),
        crossChecks: { share: this.#faulty === null ? 0.1 : 0.4, withinMs: 60_000 },
        duplicates: { when: "stragglers", times: 1.3, leastMs: 2_000 },
        incarnation: process.name,
        onDead: () => {},
      });
      this.#replacements.central?.(central);
      central.start();
      this.central = central;
    });
  }

  /** Central is gone at once; of what was not synced a part is kept. */
  crashCentral(): void {
    const process = this.centralProcess;
    if (process === null) return;
    process.kill();
    this.store = this.store.crash(Math.floor(process.rng() * 2));
    this.central = null;
    this.centralProcess = null;
    this.network.gone(process);
  }

  /** The link of a process to central, guarded there as every link is. */
  #dial(peer: string, process: SimProcess, role: "site" | "operator") {
    const { central, centralProcess } = this;
    const { near, far } = this.network.dial(peer, process, central === null ? null : centralProcess);
    if (far !== null)
      centralProcess!.run(() =>
        guardLink(far, { central: central!, ...openDoor(role, central!), clock: centralProcess!.clock, logger: this.logger(), peer }),
      );
    return near;
  }

  /** A process that calls central for as long as it takes. */
  startClient(name: string): { process: SimProcess; api: Reconnecting<ClientApi> } {
    const process = new SimProcess(name, this.clock, this.stream());
    const { clock, rng } = process;
    const dial = async () => {
      const options = { token: "t", version: VERSION, party: "client", clock } as const;
      const connection = await openSession<ClientApi>(this.#dial(name, process, "operator"), CLIENT_API_METHODS, options);
      return { ...connection, remote: this.#replacements.client?.(connection.remote) ?? connection.remote };
    };
    return { process, api: process.run(() => reconnecting<ClientApi>({ dial, clock, rng, logger: this.logger() })) };
  }

  /** A link to central, as sites have it. */
  async dialSite(name: string, process: SimProcess): Promise<Connection<WorkSource>> {
    const options = { token: "t", version: VERSION, party: "site", clock: process.clock } as const;
    const connection = await openSession<WorkSource>(this.#dial(name, process, "site"), WORK_SOURCE_METHODS, options);
    const source = this.#overheard(connection.remote, process);
    return { ...connection, remote: this.#replacements.source?.(source) ?? source };
  }

  /** A site at work, in its process. */
  runSite(name: string, process: SimProcess, more: Partial<SiteOptions> = {}): Site {
    const { clock, rng } = process;
    const { prefetch, slowness, link } = this.#traits[name] ?? { prefetch: 0, slowness: 1, link: null };
    return process.run(() =>
      runSite({
        name,
        instance: process.name,
        host: "sim",
        slots: SLOTS,
        prefetch,
        threadsPerSlot: 1,
        apps: this.apps,
        commands: {},
        access: { of: async () => ({}) },
        roots: null,
        hosts: ["sim"],
        launcher: null,
        capacity: this.capacity,
        workDir: `/sites/${name}`,
        dial: () => this.dialSite(name, process),
        kernels: this.#kernels(process, name, slowness),
        clock,
        logger: this.logger(),
        rng,
        onRefused: () => this.marks.add("a site's name was taken"),
        ...(link && this.#links.of(clock, rng, link)),
        ...more,
      }),
    );
  }

  startSite(name: string): void {
    if (this.sites.get(name)?.alive || this.retired.has(name)) return;
    const process = this.process(name);
    this.sites.set(name, process);
    const site = this.runSite(name, process);
    this.#running.set(name, site);
    // A predecessor that looks alive for too long ends it, as it would the command; a supervisor starts it again.
    site.ended.catch(() => {
      if (!process.alive) return;
      this.end(process);
      this.clock.after(2_000, () => this.startSite(name));
    });
  }

  /** Listens to what central says of leases. */
  #overheard(source: WorkSource, { name, clock }: SimProcess): WorkSource {
    return {
      ...source,
      renew: async (request) => {
        const sentMs = clock.monotonicMs();
        this.#links.heard(request.held);
        const answer = await source.renew(request);
        const lost = new Set(answer.news.lost.map(({ job, epoch }) => `${job} ${epoch}`));
        for (const { job, epoch } of request.held)
          this.#renewed.set(`${job} ${epoch} ${name}`, lost.has(`${job} ${epoch}`) ? "lost" : sentMs);
        return answer;
      },
    };
  }

  killSite(name: string): void {
    const process = this.sites.get(name);
    if (process?.alive) this.end(process);
  }

  /** What the admin of a site orders: that it drains, or nothing. Holds until other orders come, or the process ends. */
  order(name: string, drain: string | null): void {
    const process = this.sites.get(name);
    if (process?.alive) process.run(() => this.#running.get(name)!.obey({ ...NO_ORDERS, drain }));
  }

  /** Kills a site for good. */
  retire(name: string): void {
    this.retired.add(name);
    this.killSite(name);
  }

  /** Imitates kernel hosts: takes a while, sometimes crashes, and leaves a text that no other attempt makes. */
  #kernels({ name, clock, rng }: SimProcess, site: string, slowness: number): KernelPool {
    return {
      run: async ({ work, signal }: KernelRun) => {
        const hangs = rng() < 0.05 ? 30_000 : 0;
        if (work.app === "xpcs.corr") this.begun.add(`${work.request.provenance?.job_id} ${work.request.provenance?.epoch}`);
        await sleep(clock, hangs + slowness * (work.app === "xpcs.noop" ? work.durationMs : 100 + rng() * 5_000), signal);
        if (signal.aborted) {
          await sleep(clock, rng() * 500);
          throw new XpcsError("CANCELED", "the work was stopped");
        }
        if (rng() < 0.06 || this.crashing.has(name.split("#")[0]!))
          throw new XpcsError("NATIVE_CRASHED", "the kernel host process was ended by SIGSEGV");
        if (work.app === "xpcs.corr") {
          const { job_id: job, epoch } = work.request.provenance ?? {};
          const text = `${job} ${epoch} ${name}`;
          this.files.write(work.request.out, text);
          this.made.set(text, clock.monotonicMs());
        }
        if (work.app !== "xpcs.corr" || work.request.contentDigest !== true) return { summary: null };
        // What is computed depends on the job alone: its result has the name of its key and place.
        return { summary: { ...NOTHING_FOUND, out: work.request.out, contentSha256: site === this.#faulty ? "wrong" : "right" } };
      },
      failed: new Promise(() => {}),
      close: async () => {},
    };
  }
}
