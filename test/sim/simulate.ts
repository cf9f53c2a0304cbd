/** One run of the simulation: faults and requests for a while, then peace; and the promises, checked. */
import { createHash } from "node:crypto";
import { FAULTS_MS, type Fault, heal, schedule } from "./faults.js";
import { Broken, checkAcknowledged, checkConverged, checkEvents, checkOutputs, checkReplay, History } from "./promises.js";
import { ask, drawRequests } from "./workload.js";
import { type Replacements, SITE_NAMES, World } from "./world.js";

export interface Outcome {
  /** The first promise that was broken. */
  readonly broken: Broken | null;
  readonly marks: ReadonlySet<string>;
  /** The last ledger events, one line each. */
  readonly trace: readonly string[];
  /** Of all ledger events: the same run has the same. */
  readonly digest: string;
}

/** From the last fault to the end of every job: retries, expiries, and a wall clock that went back by a minute. */
const CONVERGE_MS = 240_000;
/** After the last job has ended: reports, and what is left to tidy. */
const QUIET_MS = 8_000;
/** From then to the end of the last pilot: it stands still until its walltime kills it, its batch job is no longer listed, and is given up after three looks. */
const LEAVE_MS = 120_000;
const TRACE_EVENTS = 40;

/** P5: files that got their final name. */
function checkPublications(world: World): void {
  const first = new Map<string, string>();
  for (const { path, text, confirmed, alone } of world.publications) {
    const before = first.get(path);
    if (before !== undefined) throw new Broken("P5", `${path} was published twice: by "${before}" and then "${text}"`);
    first.set(path, text);
    if (path.includes("cross-check-")) throw new Broken("P5", `a check was published: ${path}`);
    if (!world.made.has(text)) throw new Broken("P5", `${path} was published as "${text}", which no kernel made`);
    if (!confirmed) throw new Broken("P5", `"${text}" was published, and central had not said that the lease is current`);
    if (!alone) throw new Broken("P5", `"${text}" was published while another attempt of the job might have been`);
  }
}

function checkTidy(world: World): void {
  // What a site left that never came back is there for its next start.
  const left = SITE_NAMES.filter((name) => !world.retired.has(name)).flatMap((name) => world.files.below(`/sites/${name}`));
  const half = world.retired.size > 0 || world.leavesHalves ? [] : world.files.below("/out").filter((path) => path.startsWith("/out/."));
  if (left.length + half.length > 0) throw new Broken("P5", `left behind: ${[...left, ...half].slice(0, 5).join(" ")}`);
}

async function check(world: World, history: History): Promise<void> {
  const live = world.central!.state;
  const { state: replayed, canceled, moved } = await checkEvents(world.store.events(0), world.marks);
  checkAcknowledged(replayed, canceled, history);
  if (history.broken !== null) throw history.broken;
  if (world.broken !== null) throw world.broken;
  checkConverged(live, CONVERGE_MS / 1000);
  checkReplay(replayed, live);
  checkOutputs(live, (path) => {
    const text = world.files.text(path);
    return text === null ? null : { bytes: text.length, sha256: createHash("sha256").update(text).digest("hex") };
  });
  checkPublications(world);
  checkTidy(world);
  world.checkVerdicts(live);
  for (const attempt of moved)
    if (world.begun.has(attempt)) throw new Broken("P5", `attempt ${attempt} was given back as not begun, and had begun`);
  world.farm.checkEnd();
}

/** The run of a seed with these faults. Same arguments, same run. */
export async function simulate(seed: number, faults: readonly Fault[], replacements: Replacements = {}): Promise<Outcome> {
  const world = new World(seed, replacements);
  const history = new History();
  await world.startCentral();
  for (const name of SITE_NAMES) world.startSite(name);
  world.farm.startKeeper();
  const { pending } = ask(world, drawRequests(seed), history);
  schedule(world, faults);
  await world.clock.advance(FAULTS_MS);
  await heal(world);
  const ended = () => {
    const { central } = world;
    return pending() === 0 && central !== null && [...central.state.jobs.values()].every(({ finishedAt }) => finishedAt !== null);
  };
  const broken = () => history.broken !== null || world.broken !== null;
  await world.clock.advance(CONVERGE_MS, () => broken() || ended());
  // What is queued now is not to begin, but to be withdrawn.
  world.farm.batch.frozen = true;
  await world.clock.advance(QUIET_MS);
  if (!broken()) await world.clock.advance(LEAVE_MS, () => world.farm.isSettled);
  let found: Broken | null = null;
  try {
    if (history.broken === null && pending() > 0) throw new Broken("P4", `${pending()} requests of clients were never answered`);
    await check(world, history);
  } catch (error) {
    found = error instanceof Broken ? error : new Broken("defect", (error as Error).stack ?? String(error));
  }
  const lines: string[] = [];
  const digest = createHash("sha256");
  for await (const { sequence, event } of world.store.events(0)) {
    const line = `${sequence} ${JSON.stringify(event)}`;
    digest.update(line);
    lines.push(line);
  }
  for (const mark of history.marks) world.marks.add(mark);
  return { broken: found, marks: world.marks, trace: lines.slice(-TRACE_EVENTS), digest: digest.digest("hex") };
}
