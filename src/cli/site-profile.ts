/**
 * Profiles of facilities (profiles/*.yaml, docs/profiles.md): which there are, which is that of a host, and what one means for a batch file on a machine of
 * which something has been found. What was found wins; where a profile says otherwise, that is told. Pure but for reading the files.
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { XpcsError } from "../core/errors.js";
import { NAME, type SettingName } from "../sites/batch-settings.js";
import { FACILITY_PROFILE, type FacilityProfile, isHostOf } from "../sites/facility-profile.js";
import type { NodeKind, Queue } from "../sites/schedulers/define.js";
import { readSettingsFile } from "./settings-file.js";

const FOLDER = fileURLToPath(new URL("../../profiles/", import.meta.url));

/** Names of the profiles that come with the program, sorted. */
export function profileNames(): string[] {
  return readdirSync(FOLDER)
    .flatMap((name) => /^([a-z0-9-]+)\.yaml$/.exec(name)?.[1] ?? [])
    .sort();
}

/** @throws INVALID_ARGUMENT there is no such profile, or a mistake in it, with its line */
export function readProfile(name: string): FacilityProfile {
  const names = profileNames();
  if (!names.includes(name)) throw new XpcsError("INVALID_ARGUMENT", `there is no profile "${name}", there are ${names.join(", ")}`);
  return readSettingsFile(FACILITY_PROFILE, `${FOLDER}${name}.yaml`);
}

/** The profile whose login nodes have such a name, or null. */
export function profileOfHost(host: string): FacilityProfile | null {
  return (
    profileNames()
      .map(readProfile)
      .find((profile) => isHostOf(profile, host)) ?? null
  );
}

/** Where batch jobs go. */
export interface JobPlace {
  readonly queue: string | null;
  readonly qos: string | null;
  /** Longest walltime there, s; null: not known. */
  readonly walltimeMaxS: number | null;
}

const WALLTIME_LEAST_S = 60;

/** Whether a queue or an account of this name can be asked for. */
export function isName(name: string): boolean {
  return NAME.test(name);
}

/** A queue that a job of one node and a minute can be sent to. */
export function isUsable({ name, open, walltimeMaxS }: Queue): boolean {
  return open && isName(name) && (walltimeMaxS ?? WALLTIME_LEAST_S) >= WALLTIME_LEAST_S;
}

function profileLimitS({ walltimeMaxS, walltimeMaxSOfOneNode }: NonNullable<FacilityProfile["queues"]>[number]): number | null {
  return walltimeMaxSOfOneNode ?? walltimeMaxS ?? null;
}

/**
 * Where jobs of one node go: the first queue of the profile that takes them and is here, else (as without a profile) the first one here of which the profile
 * does not say otherwise.
 *
 * @param queues as the scheduler names them; empty: it names none
 */
export function jobPlace(profile: FacilityProfile | null, queues: readonly Queue[], takes: readonly SettingName[]): JobPlace {
  const notForUs = new Set<string>();
  for (const known of profile?.queues ?? []) {
    const { name, is, byRequest, nodesMin = 1 } = known;
    if (byRequest || nodesMin > 1) notForUs.add(name);
    if (notForUs.has(name) || !takes.includes(is)) continue;
    if (is === "qos") return { queue: null, qos: name, walltimeMaxS: profileLimitS(known) };
    const here = queues.find((queue) => queue.name === name);
    if (here === undefined ? queues.length > 0 : !isUsable(here)) continue;
    return { queue: name, qos: null, walltimeMaxS: here?.walltimeMaxS ?? profileLimitS(known) };
  }
  const first = takes.includes("queue") ? queues.find((queue) => isUsable(queue) && !notForUs.has(queue.name)) : undefined;
  return { queue: first?.name ?? null, qos: null, walltimeMaxS: first?.walltimeMaxS ?? null };
}

const atMost = (limit: number): string => `at most ${limit} s`;

/** Where a profile and the scheduler's queues differ, as sentences: what the profile says is old, or of another machine. */
export function queueDifferences({ name: profile, queues: known = [] }: FacilityProfile, queues: readonly Queue[]): string[] {
  if (queues.length === 0) return [];
  return known
    .filter(({ is }) => is === "queue")
    .flatMap(({ name, walltimeMaxS, nodesMax }) => {
      const here = queues.find((queue) => queue.name === name);
      if (here === undefined) return [`the queue ${name} of the profile ${profile} is not here`];
      const told: string[] = [];
      if (!here.open) told.push(`the queue ${name} is closed`);
      if (walltimeMaxS !== undefined && here.walltimeMaxS !== null && walltimeMaxS !== here.walltimeMaxS)
        told.push(`the queue ${name} gives ${atMost(here.walltimeMaxS)} here, ${walltimeMaxS} by the profile ${profile}`);
      if (nodesMax !== undefined && here.nodes !== null && nodesMax > here.nodes)
        told.push(`the queue ${name} has ${here.nodes} nodes here, ${nodesMax} by the profile ${profile}`);
      return told;
    });
}

/** Memory that a node says it has and that which a page says differ by what the system keeps. */
const MEMORY_SHARE = 0.1;

function isLike(known: NonNullable<FacilityProfile["nodes"]>[number], { cpus, cores, memoryGb, gpus }: NodeKind): boolean {
  const counts = [known.cores, known.threads, known.coresForJobs].filter((count) => count !== undefined);
  const processors = counts.length === 0 || counts.includes(cpus) || (cores !== null && counts.includes(cores));
  const memory = known.memoryGb === undefined || memoryGb === null || Math.abs(memoryGb - known.memoryGb) <= MEMORY_SHARE * known.memoryGb;
  return processors && memory && (known.gpus === undefined || gpus === null || gpus === known.gpus);
}

/** Which kinds of nodes of a profile are not among those found. */
export function nodeDifferences({ name: profile, nodes: known = [] }: FacilityProfile, nodes: readonly NodeKind[]): string[] {
  if (nodes.length === 0) return [];
  return known
    .filter((kind) => !nodes.some((found) => isLike(kind, found)))
    .map(({ name }) => `no nodes like ${name} of the profile ${profile} are here`);
}

/** Lines of bash for the script of a job, so that it reaches other networks. */
export function proxyLines({ outside, proxy, noProxy }: FacilityProfile): string[] {
  if (outside?.value !== "proxy" || proxy === undefined) return [];
  const line = `export http_proxy=${proxy.url} https_proxy=${proxy.url}`;
  return [noProxy === undefined ? line : `${line} no_proxy='${noProxy.value}'`];
}
