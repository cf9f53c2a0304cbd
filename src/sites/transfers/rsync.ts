/**
 * rsync over ssh, from and to a machine that sees the files: its login is the site's own, there is nothing to install but rsync (docs/transfers/rsync.md). Small files
 * cross in one call, big ones alone; results are published by a script there (far-shell.ts).
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { XpcsError } from "../../core/errors.js";
import type { OutputFile } from "../../core/job.js";
import { digestFile } from "../../files/digest.js";
import type { Destination } from "../../files/publication.js";
import { type FileArrival, spread } from "../arrival.js";
import type { Arrived } from "../staging/cache.js";
import { adopt } from "../staging/desk.js";
import {
  digestFar,
  discardFar,
  type FarFile,
  type FarShell,
  farPartial,
  inspectFar,
  proveFar,
  publishFar,
  settleFar,
  statFar,
} from "../staging/far-shell.js";
import { type Lanes, lanes } from "../staging/lanes.js";
import { briefPatience, type Patience, patienceOf } from "../staging/patience.js";
import { type ProgramEnd, runProgram } from "../staging/program.js";
import { forgetPartial } from "../staging/ranges.js";
import { sshWords } from "../staging/ssh.js";
import { stageInput } from "../staging/stage-input.js";
import { together } from "../staging/together.js";
import type { Backend, LocationSettings, StageIn, StageOut, Transfer, TransferContext } from "./define.js";

const settings = z.strictObject({
  host: z.string().regex(/^[A-Za-z0-9_.][A-Za-z0-9_.@:[\]-]{0,254}$/, "must be HOST or USER@HOST, as ssh takes it"),
  /** Where the location's folder is over there; absent: under the same path. */
  path: z
    .string()
    .regex(/^\/[^\0\n]*$/, "must be an absolute path")
    .optional(),
  sshConfig: z
    .string()
    .regex(/^\/[^\0\n'"]*$/, "must be the absolute path of a file")
    .optional(),
  connections: z.int().min(1).max(16).default(2),
  mbPerS: z.number().min(0.01).optional(),
  giveUpS: z.number().min(1).max(86_400).default(120),
});
type RsyncSettings = z.output<typeof settings> & LocationSettings;

/** Files up to this size cross together, and are digested over there before. */
const SMALL_BYTES = 64e6;
/** Of one call. */
const GROUP_BYTES = 128e6;
const GROUP_FILES = 500;
/** Groups at a time: one is digested, one crosses. */
const CALLS = 2;
const KEPT_AT_A_TIME = 8;
const SILENCE_S = 15;
/** rsync's ends that another try may change: the connection, its timeout, a stream that was cut. */
const PASSING = [5, 10, 12, 30, 35, 255];

interface Session {
  readonly settings: RsyncSettings;
  readonly context: TransferContext;
  readonly wire: Lanes;
  readonly ssh: readonly string[];
  /** The location's folder over there. */
  readonly root: string;
  readonly shell: FarShell;
}

function failureOf(what: string, host: string, { code, stderr }: ProgramEnd, passing: readonly number[]): XpcsError {
  const lines = stderr
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  const why =
    lines.find((line) => /Permission denied|verification failed|No such file|No space/i.test(line)) ?? lines.at(-1) ?? "it said nothing";
  const words = `${what} ${host}: ${why} (exit ${code ?? "by a signal"})`;
  if (/Permission denied \(|Host key verification failed/.test(stderr)) return new XpcsError("PERMISSION_DENIED", words);
  return new XpcsError(code === null || passing.includes(code) ? "UNAVAILABLE" : "IO_FAILED", words);
}

function openSession(location: RsyncSettings, context: TransferContext): Session {
  const { host, sshConfig, folder, path = folder } = location;
  const ssh = sshWords(sshConfig);
  return {
    ...{ settings: location, context, ssh, wire: lanes(location.connections), root: path === "/" ? "/" : path.replace(/\/+$/, "") },
    async shell(script, signal) {
      const end = await runProgram({ argv: [...ssh, "--", host, "sh -s"], input: script, signal });
      if (end.code === 0) return end.stdout;
      throw failureOf("ssh to", host, end, [255]);
    },
  };
}

/** A path over there, from the location's folder. */
function belowRoot({ root }: Session, far: string): string {
  return far.slice(root === "/" ? 1 : root.length + 1);
}

/** A path of the submitter as it is over there. */
function farPath({ settings: { folder }, root }: Session, path: string): string {
  const below = path.slice(folder === "/" ? 0 : folder.length);
  return root === "/" ? below : `${root}${below}`;
}

/** What rsync has moved so far, as it last told in `text`; null: it told nothing. Exported for tests. */
export function movedIn(text: string): number | null {
  // Thousands are grouped as its language has it.
  const told = [...text.matchAll(/\r\s*(\d[\d.,' ]*?)\s+\d{1,3}%/g)].at(-1)?.[1];
  return told === undefined ? null : Number(told.replace(/\D/g, ""));
}

interface RsyncRun {
  readonly input?: string;
  readonly signal: AbortSignal;
  readonly patience: Patience;
  /** Told how many bytes it has moved so far. It begins anew with each try, and tells again of what lies here from the last one. */
  readonly moved?: (bytes: number) => void;
}

async function rsync(session: Session, more: readonly string[], run: RsyncRun): Promise<void> {
  const { settings: location, ssh, wire } = session;
  const { mbPerS, connections, host } = location;
  const rate = mbPerS === undefined ? [] : [`--bwlimit=${Math.max(1, Math.floor((mbPerS * 1e6) / 1024 / connections))}`];
  const quotedSsh = ssh.map((word) => (/[^\w./=-]/.test(word) ? `'${word}'` : word)).join(" ");
  const base = [
    "rsync",
    "--protect-args",
    "--copy-links",
    "--inplace",
    "--partial",
    "--ignore-times",
    `--timeout=${SILENCE_S}`,
    "--outbuf=L",
    "--info=progress2",
    ...rate,
  ];
  const onOutput = (text: string): void => {
    run.patience.progressed();
    run.moved?.(movedIn(text) ?? 0);
  };
  const end = await wire.run(() =>
    runProgram({
      argv: [...base, "-e", quotedSsh, ...more],
      signal: run.signal,
      onOutput,
      ...(run.input === undefined ? {} : { input: run.input }),
    }),
  );
  if (end.code !== 0) throw failureOf("rsync with", host, end, PASSING);
}

interface Wanted {
  readonly path: string;
  readonly far: string;
  readonly file: FarFile;
  readonly source: string;
  readonly arriving: FileArrival | undefined;
}

/** What one stage-in knows. */
interface Bringing {
  readonly session: Session;
  readonly request: StageIn;
  readonly patience: Patience;
  /** Where files that cross together come to lie. */
  readonly incoming: string;
  /** Files at a time that are digested and kept here. */
  readonly desk: Lanes;
}

/** Small files in calls of so many bytes and files: while one call's files cross, those of the next are digested over there. */
function groupsOf(small: readonly Wanted[]): Wanted[][] {
  const groups: Wanted[][] = [];
  let bytes = 0;
  for (const each of small) {
    const last = groups.at(-1);
    if (last === undefined || last.length >= GROUP_FILES || bytes + each.file.bytes > GROUP_BYTES) {
      groups.push([each]);
      bytes = 0;
    } else last.push(each);
    bytes += each.file.bytes;
  }
  return groups;
}

/** All of them in one call. */
async function bringTogether({ session, patience, incoming }: Bringing, wanted: readonly Wanted[], signal: AbortSignal): Promise<void> {
  if (wanted.length === 0) return;
  const { host } = session.settings;
  await mkdir(incoming, { recursive: true });
  const names = wanted.map(({ far }) => belowRoot(session, far));
  const from = `${host}:${session.root === "/" ? "/" : `${session.root}/`}`;
  const run = { input: `${names.join("\0")}\0`, signal, patience, moved: spread(wanted.map(({ arriving }) => arriving)) };
  await patience.again(() => rsync(session, ["--files-from=-", "--from0", from, `${incoming}/`], run));
}

/** @returns where it is @param fetch brings it, if it is not here */
function keep(
  { session, request }: Bringing,
  { path, source, file: { bytes }, arriving }: Wanted,
  sha256: string | null,
  signal: AbortSignal,
  fetch: (partial: string) => Promise<Arrived>,
): Promise<string> {
  return stageInput(session.context.cache, request, { path, source, bytes, sha256, arriving }, signal, fetch);
}

async function proven({ session }: Bringing, each: Wanted, partial: string, came: Arrived, expected: string): Promise<Arrived> {
  if (came.sha256 === expected) return came;
  await forgetPartial(partial);
  const { host } = session.settings;
  throw new XpcsError("CHECKSUM_MISMATCH", `${each.path} is not what ${host} has: it changed on the way, or is still written`);
}

/** A file alone, digested over there while it crosses. */
function stageAlone(bringing: Bringing, each: Wanted, signal: AbortSignal): Promise<string> {
  const { session, patience } = bringing;
  return keep(bringing, each, null, signal, async (partial) => {
    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal]);
    const asked = patience.again(() => digestFar(session.shell, [each.far], stop));
    asked.catch(() => {});
    try {
      const run = { signal, patience, moved: spread([each.arriving]) };
      await patience.again(() => rsync(session, [`${session.settings.host}:${each.far}`, partial], run));
      const { sha256 } = await digestFile(partial, signal);
      return await proven(bringing, each, partial, { sha256, identity: null }, (await asked)[0]!);
    } finally {
      ended.abort();
    }
  });
}

/** Small files: those whose bytes are here under another name do not cross. */
async function stageGroup(bringing: Bringing, group: readonly Wanted[], signal: AbortSignal): Promise<Map<Wanted, string>> {
  const { session, patience, incoming, desk } = bringing;
  const { cache } = session.context;
  const fars = group.map(({ far }) => far);
  const digests = await patience.again(() => digestFar(session.shell, fars, signal));
  const crossing = new Set<Wanted>();
  for (const [at, each] of group.entries()) if (!(await cache.has(each.source, digests[at]!))) crossing.add(each);
  await bringTogether(bringing, [...crossing], signal);
  const places = await together(
    signal,
    group.map((each, at) => (stop) => {
      const sha256 = digests[at]!;
      return keep(bringing, each, sha256, stop, async (partial) => {
        // It was here a moment ago, and has made room since.
        if (!crossing.has(each)) await bringTogether(bringing, [each], stop);
        return proven(bringing, each, partial, await adopt(join(incoming, belowRoot(session, each.far)), partial), sha256);
      });
    }),
    desk,
  );
  return new Map(group.map((each, at) => [each, places[at]!]));
}

async function stageIn(session: Session, request: StageIn): Promise<string[]> {
  const { refs, dir, signal } = request;
  const { context, root, shell, settings: location } = session;
  const patience = patienceOf(context, location, request);
  const fars = refs.map(({ path }) => farPath(session, path));
  const files = await patience.again(() => statFar(shell, root, fars, signal));
  const wanted: Wanted[] = refs.map(({ path }, at) => {
    const file = files[at]!;
    const source = `rsync ${location.host} ${fars[at]} ${file.version}`;
    return { path, far: fars[at]!, file, source, arriving: request.arriving?.file(file.bytes) };
  });
  const [small, alone]: [Wanted[], Wanted[]] = [[], []];
  for (const each of wanted) (each.file.bytes <= SMALL_BYTES && !(await context.cache.has(each.source, null)) ? small : alone).push(each);
  const bringing: Bringing = { session, request, patience, incoming: join(dir, "incoming"), desk: lanes(KEPT_AT_A_TIME) };
  const calls = lanes(CALLS);
  const places = await together(signal, [
    ...groupsOf(small).map((group) => (stop: AbortSignal) => calls.run(() => stageGroup(bringing, group, stop))),
    ...alone.map((each) => async (stop: AbortSignal) => new Map([[each, await stageAlone(bringing, each, stop)]])),
  ]);
  await rm(bringing.incoming, { recursive: true, force: true });
  const all = new Map(places.flatMap((some) => [...some]));
  return wanted.map((each) => all.get(each)!);
}

async function stageOut(session: Session, request: StageOut, far: Destination): Promise<OutputFile> {
  const { destination, epoch, local, seen, access, confirm, signal } = request;
  const { root, shell, settings: location } = session;
  const patience = patienceOf(session.context, session.settings, request);
  const { bytes, sha256 } = local;
  const { mode } = access;
  await patience.again(() => rsync(session, [local.path, `${location.host}:${farPartial(far, epoch)}`], { signal, patience }));
  const publication = { destination: far, epoch, bytes, sha256, seen, ...(mode === undefined ? {} : { mode }) };
  await patience.again(() => proveFar(shell, root, publication, signal));
  request.moved?.(bytes);
  await confirm();
  const output = await patience.again(() => publishFar(shell, root, publication, signal));
  await rm(local.path, { force: true });
  return { ...output, path: destination.ref.path };
}

function openTransfer(location: RsyncSettings, context: TransferContext): Transfer {
  const session = openSession(location, context);
  const { root, shell } = session;
  const there = (destination: Destination): Destination => ({ ...destination, ref: { path: farPath(session, destination.ref.path) } });
  const ask = <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> =>
    briefPatience(context).again(() => work(new AbortController().signal));
  const discard: Transfer["discard"] = ({ destination, epoch }) =>
    ask((never) => discardFar(shell, root, there(destination), epoch, never));
  return {
    local: false,
    stageIn: (request) => stageIn(session, request),
    async inspect(destination) {
      const found = await ask((never) => inspectFar(shell, root, there(destination), never));
      return found.kind === "free" ? found : { ...found, output: { ...found.output, path: destination.ref.path } };
    },
    async stageOut(request) {
      try {
        return await stageOut(session, request, there(request.destination));
      } catch (error) {
        await discard(request).catch(() => {});
        throw error;
      }
    },
    settle: (destination) => ask((never) => settleFar(shell, root, there(destination), never)),
    discard,
  };
}

export const rsyncBackend: Backend = {
  name: "rsync",
  about: "rsync over ssh with a machine that sees the files; small files in one call, big ones alone.",
  settings,
  open: (location, context) => openTransfer(location as RsyncSettings, context),
};
