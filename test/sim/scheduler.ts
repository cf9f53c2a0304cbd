/**
 * A batch scheduler of the simulation, and the nodes on which its jobs run: a queue with few nodes, listings and accounting that come late or forget,
 * replies that are lost, and ends by walltime, preemption and failed nodes. It belongs to no process, and outlives all of them. Its adapter is one
 * as those of src/sites/schedulers; what a job's script does there (src/sites/batch-script.ts) is imitated file by file.
 */
import { type Clock, sleep } from "../../src/core/clock.js";
import { XpcsError } from "../../src/core/errors.js";
import { batchFiles, STARTED_TWICE } from "../../src/sites/batch-script.js";
import type { BatchJob, BatchRef, Ending, Machine, Outcome, Scheduler, Sighting } from "../../src/sites/schedulers/define.js";
import type { SimFiles } from "./files.js";

/** A command that has not been answered by then is given up (src/sites/batch-command.ts). */
const COMMAND_MS = 3_000;
/** From a scheduler's signal to the end by force. */
const KILL_WAIT_MS = 12_000;
const NODES = 2;

/** What runs on a node for a batch job. */
export interface NodeProcess {
  /** SIGTERM. */
  terminate(): void;
  /** SIGKILL. */
  kill(): void;
}

export interface BatchEntry extends BatchJob {
  readonly id: string;
  state: "queued" | "running" | "ended";
  /** It may begin, as far as the queue goes. */
  due: boolean;
  process: NodeProcess | null;
  ending: Ending | null;
  endedMs: number;
  /** How long a listing shows it after its end, ms. */
  readonly listedMs: number;
  /** A signal or a cancellation is under way; what ends it then. */
  told: Outcome | null;
}

export interface SimSchedulerOptions {
  readonly clock: Clock;
  readonly files: SimFiles;
  readonly rng: () => number;
  readonly mark: (what: string) => void;
  /** Told when a job was taken, and before each listing. */
  readonly onLook: (entries: readonly BatchEntry[]) => void;
  /** Starts the command of a job; `onExit` with its exit code. */
  readonly startProcess: (entry: BatchEntry, endsS: number, onExit: (code: number) => void) => NodeProcess;
  /** A job is still there when its walltime is over. */
  readonly onOverrun: (entry: BatchEntry) => void;
}

const ended = (outcome: Outcome, exitCode: number | null = null): Ending => ({ outcome, exitCode, sentence: `it ended: ${outcome}` });

export class SimScheduler {
  readonly entries: BatchEntry[] = [];
  /** Commands fail. */
  away = false;
  /** Share of replies to submissions that are lost; of some the submission as well, others take effect late. */
  repliesLost = 0;
  /** Listings leave out what runs. */
  forgetful = false;
  /** Nothing begins any more. */
  frozen = false;
  /** Nodes on which no command starts. */
  broken = false;
  readonly #options: SimSchedulerOptions;
  readonly #accounting: "none" | "late" | "prompt";

  constructor(options: SimSchedulerOptions) {
    this.#options = options;
    this.#accounting = (["none", "late", "prompt"] as const)[Math.floor(options.rng() * 3)]!;
  }

  get alive(): BatchEntry[] {
    return this.entries.filter(({ state }) => state !== "ended");
  }

  get running(): BatchEntry[] {
    return this.entries.filter(({ state }) => state === "running");
  }

  /** The adapter. */
  readonly scheduler: Scheduler = {
    name: "sim",
    about: "A scheduler of the simulation.",
    takes: [],
    ownId: "$SIM_ID",
    launch: { nodes: "hostname", pilots: [], jobs: [] },
    detection: null,
    submit: (job, machine) => this.#submit(job, machine),
    find: async (tag, _folder, machine) => {
      await this.#command(machine);
      return this.alive.filter((entry) => entry.tag === tag).map(({ id }) => id);
    },
    status: async (refs, machine) => {
      await this.#command(machine);
      this.#options.onLook(this.entries);
      return refs.flatMap((ref) => this.#sighting(ref) ?? []);
    },
    account: async (refs, machine) => {
      await this.#command(machine);
      return this.#accounts(refs);
    },
    cancel: async ({ id }, machine) => {
      await this.#command(machine);
      const entry = this.entries.find((each) => each.id === id);
      if (entry?.state === "queued") this.#end(entry, ended("canceled"));
      else if (entry !== undefined) this.#endSoon(entry, "canceled");
      await this.#reply(machine);
    },
    queues: async () => [],
    accounts: async () => [],
    nodes: async () => [],
  };

  /** A command reaches the scheduler, or fails. */
  async #command({ clock }: Machine): Promise<void> {
    const { rng } = this.#options;
    await sleep(clock, 5 + rng() * 60);
    if (!this.away) return;
    this.#options.mark("the scheduler was away");
    if (rng() < 0.3) throw new XpcsError("REFUSED", "the command failed with exit code 1: its configuration cannot be read");
    throw new XpcsError("UNAVAILABLE", "the command did not reach the scheduler");
  }

  async #reply({ clock }: Machine): Promise<void> {
    const { rng, mark } = this.#options;
    if (rng() >= this.repliesLost) return;
    mark("a reply was lost");
    await sleep(clock, COMMAND_MS);
    throw new XpcsError("DEADLINE_EXCEEDED", "the command gave no answer");
  }

  async #submit(job: BatchJob, machine: Machine): Promise<string> {
    const { clock, rng, mark } = this.#options;
    await this.#command(machine);
    const lost = rng() < this.repliesLost;
    if (lost && rng() < 0.3) mark("a submission was lost");
    else {
      // Whoever asked for it may be gone meanwhile.
      const takesMs = lost && rng() < 0.5 ? rng() * COMMAND_MS : 5 + rng() * 200;
      let id: string | null = null;
      clock.after(takesMs, () => {
        id = this.#take(job);
      });
      await sleep(machine.clock, takesMs + 1);
      if (!lost && id !== null) return id;
      mark("a submission's reply was lost");
    }
    await sleep(machine.clock, COMMAND_MS);
    throw new XpcsError("DEADLINE_EXCEEDED", "the command gave no answer");
  }

  #take(job: BatchJob): string {
    const { clock, rng, onLook } = this.#options;
    const id = String(1_000 + this.entries.length);
    const entry: BatchEntry = {
      ...job,
      id,
      state: "queued",
      due: false,
      process: null,
      ending: null,
      endedMs: 0,
      listedMs: [0, 3_000, 1e9][Math.floor(rng() * 3)]!,
      told: null,
    };
    this.entries.push(entry);
    onLook(this.entries);
    clock.after(300 + rng() ** 3 * 20_000, () => {
      entry.due = true;
      this.startDue();
    });
    return id;
  }

  /** Starts what may begin, oldest first. */
  startDue(): void {
    for (const entry of this.entries) {
      if (entry.state !== "queued" || !entry.due || this.frozen || this.running.length >= NODES) continue;
      entry.state = "running";
      this.#begin(entry);
    }
  }

  /** What the script does until its command runs. @returns its exit code if it does not get so far */
  #prepare({ folder, settings, id }: BatchEntry, startedS: number): number | null {
    const { files, mark } = this.#options;
    const { started, claimedId } = batchFiles(folder);
    if (!files.isFolder(folder)) return 74;
    try {
      files.make(`${folder}/claim`, false);
      files.write(started, `${startedS} ${settings.walltimeS}\n`);
      files.write(claimedId, `${id}\n`);
      return null;
    } catch (error) {
      const twice = (error as NodeJS.ErrnoException).code === "EEXIST";
      mark(twice ? "a script was started twice" : "a script had no room");
      return twice ? STARTED_TWICE : 74;
    }
  }

  #begin(entry: BatchEntry): void {
    const { clock, startProcess, mark } = this.#options;
    const { walltimeS } = entry.settings;
    const startedS = Math.floor(clock.nowMs() / 1000);
    const code = this.#prepare(entry, startedS);
    if (code !== null) this.#exit(entry, code);
    else if (this.broken) {
      mark("a pilot failed at its start");
      this.#exit(entry, 1, true);
    } else {
      entry.process = startProcess(entry, startedS + walltimeS, (exit) => this.#exit(entry, exit, true));
      clock.after(walltimeS * 1000, () => this.#endSoon(entry, "time-limit"));
    }
  }

  /** The script ends by itself. */
  #exit(entry: BatchEntry, code: number, writes = false): void {
    if (entry.state === "ended") return;
    const { files } = this.#options;
    try {
      if (writes) files.write(batchFiles(entry.folder).exitCode, `${code}\n`);
    } catch {
      // No room, or no folder any more.
    }
    this.#end(entry, code === 0 ? ended("done", 0) : entry.told !== null ? ended(entry.told) : ended("failed", code));
  }

  #end(entry: BatchEntry, ending: Ending): void {
    entry.state = "ended";
    entry.ending = ending;
    entry.endedMs = this.#options.clock.monotonicMs();
    this.#options.mark(`a batch job ended: ${ending.outcome}`);
    this.startDue();
  }

  /** The script is told to end; what has not ended a while later is ended by force. */
  #endSoon(entry: BatchEntry, outcome: Outcome): void {
    if (entry.state !== "running" || entry.told !== null) return;
    const { clock, files } = this.#options;
    if (outcome === "time-limit") this.#options.onOverrun(entry);
    entry.told = outcome;
    try {
      files.write(batchFiles(entry.folder).signaled, `${Math.floor(clock.nowMs() / 1000)}\n`);
    } catch {
      // As above.
    }
    entry.process?.terminate();
    clock.after(KILL_WAIT_MS, () => {
      if (entry.state !== "running") return;
      entry.process?.kill();
      this.#end(entry, ended(outcome));
    });
  }

  /** The scheduler wants a node back. */
  preempt(entry: BatchEntry): void {
    this.#options.mark("a pilot was told to make room");
    this.#endSoon(entry, "preempted");
  }

  /** A node is lost to the scheduler; what runs there ends with it, or goes on for a while. */
  failNode(entry: BatchEntry, goesOnMs: number): void {
    if (entry.state !== "running") return;
    this.#end(entry, ended("node-failed"));
    this.#options.clock.after(goesOnMs, () => entry.process?.kill());
  }

  #sighting({ id }: BatchRef): Sighting | null {
    const { clock, rng, mark } = this.#options;
    const entry = this.entries.find((each) => each.id === id);
    if (entry === undefined) return null;
    if (entry.state === "ended") {
      if (clock.monotonicMs() - entry.endedMs > entry.listedMs) return null;
      return { id, phase: "ended", words: "ENDED", sentence: "it has ended", ending: rng() < 0.5 ? null : entry.ending };
    }
    if (this.forgetful && rng() < 0.7) {
      mark("a listing left out what is there");
      return null;
    }
    if (rng() < 0.03) return { id, phase: "unknown", words: "WHAT", sentence: "nobody knows", ending: null };
    const phase = entry.told !== null ? "ending" : entry.state;
    return { id, phase, words: phase.toUpperCase(), sentence: `it is ${phase}`, ending: null };
  }

  #accounts(refs: readonly BatchRef[]): ReadonlyMap<string, Ending> {
    const lateMs = { none: 0, late: 5_000, prompt: 0 }[this.#accounting];
    if (this.#accounting === "none") throw new XpcsError("NOT_FOUND", "there is no accounting");
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.entries.filter(
      ({ id, state, endedMs }) => refs.some((ref) => ref.id === id) && state === "ended" && nowMs - endedMs >= lateMs,
    );
    return new Map(known.map(({ id, ending }) => [id, ending!]));
  }

  /** Whatever was wrong with it is right again, and who waits may begin. */
  heal(): void {
    this.away = false;
    this.repliesLost = 0;
    this.forgetful = false;
    this.broken = false;
    this.frozen = false;
    this.startDue();
  }
}
