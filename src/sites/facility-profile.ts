/**
 * What is known of a facility's machine from its own pages (profiles/*.yaml, docs/profiles.md): queues, nodes, paths, proxies and rules, each with its
 * source. A profile holds facts alone; `xpcs site init` puts them beside what it finds (src/cli/site-profile.ts).
 */
import { z } from "zod";
import { word } from "./batch-settings.js";
import { SCHEDULERS } from "./schedulers/registry.js";

/** One line of plain words. */
const text = z.string().regex(/^[^\p{Cc}\u2028\u2029]{1,300}$/u, "must be one line of text");
const path = z.string().regex(/^\/[A-Za-z0-9_.+/-]*$/, "must be an absolute path of plain characters");
const count = z.int().min(0);
const seconds = z.int().min(60);
/** Every fact says which of the `sources` has it. */
const sourced = { from: word, note: text.optional() };

const source = z.strictObject({
  page: z.url({ protocol: /^https$/ }),
  /** When the page was read. */
  read: z.iso.date(),
  /** Which edition of it. */
  edition: text.optional(),
});

const queue = z.strictObject({
  name: word,
  /** How a job asks for it. */
  is: z.enum(["queue", "qos"]),
  nodesMin: count.optional(),
  nodesMax: count.optional(),
  walltimeMinS: seconds.optional(),
  /** Of any job. */
  walltimeMaxS: seconds.optional(),
  /** Of a job of one node, where that is less. */
  walltimeMaxSOfOneNode: seconds.optional(),
  /** Not for everybody. */
  byRequest: z.boolean().default(false),
  ...sourced,
});

const node = z.strictObject({
  name: word,
  count: count.optional(),
  cores: count.optional(),
  threads: count.optional(),
  /** Without those that the scheduler keeps. */
  coresForJobs: count.optional(),
  /** GB of 10^9 bytes. */
  memoryGb: count.optional(),
  gpus: count.optional(),
  gpu: text.optional(),
  constraint: word.optional(),
  ...sourced,
});

const required = z.discriminatedUnion("setting", [
  z.strictObject({ setting: z.literal("account"), ...sourced }),
  z.strictObject({ setting: z.literal("constraint"), value: word, ...sourced }),
  z.strictObject({ setting: z.literal("filesystems"), value: z.array(word).min(1).max(16), ...sourced }),
]);

/** Sections that a profile has, or of which it says why not. */
const SECTIONS = ["hosts", "queues", "nodes", "filesystems", "scratch", "outside", "required", "modules", "login"] as const;
/** Facts that may be missing in a section that is there. */
const FACTS = ["limits", "cores", "proxy"] as const;

const shape = z.strictObject({
  name: word,
  title: text,
  sources: z.record(word, source),
  scheduler: z.strictObject({ value: z.enum(SCHEDULERS.map(({ name }) => name) as [string, ...string[]]), ...sourced }),
  /** Names of login nodes; * stands for anything. */
  hosts: z
    .array(z.strictObject({ match: z.string().regex(/^[a-z0-9*.-]{3,80}$/, "is no pattern of host names"), ...sourced }))
    .min(1)
    .optional(),
  /** Those that a site would use first come first. */
  queues: z.array(queue).min(1).optional(),
  nodes: z.array(node).min(1).optional(),
  filesystems: z
    .array(z.strictObject({ name: word, path, ...sourced }))
    .min(1)
    .optional(),
  /** A disk of each compute node. */
  scratch: z.strictObject({ path, constraint: word.optional(), ...sourced }).optional(),
  /** How compute nodes reach other networks. */
  outside: z.strictObject({ value: z.enum(["direct", "proxy", "none"]), ...sourced }).optional(),
  proxy: z.strictObject({ url: z.url({ protocol: /^https?$/ }), ...sourced }).optional(),
  noProxy: z.strictObject({ value: z.string().regex(/^[A-Za-z0-9.*,:/-]{1,500}$/, "is no list of hosts"), ...sourced }).optional(),
  required: z.array(required).min(1).optional(),
  modules: z
    .array(z.strictObject({ line: text, ...sourced }))
    .min(1)
    .optional(),
  /** What holds on login nodes. */
  login: z
    .array(z.strictObject({ ...sourced, note: text }))
    .min(1)
    .optional(),
  /** What was looked for in vain. */
  notFound: z.partialRecord(z.enum([...SECTIONS, ...FACTS]), text).default({}),
});
export type FacilityProfile = z.output<typeof shape>;

/** Paths of all facts in a value, with the source that each names. */
function citations(value: unknown, path: readonly (string | number)[] = []): { path: (string | number)[]; from: string }[] {
  if (typeof value !== "object" || value === null) return [];
  const { from } = value as { readonly from?: unknown };
  const parts = Object.entries(value).flatMap(([key, part]) => citations(part, [...path, Array.isArray(value) ? Number(key) : key]));
  return typeof from === "string" ? [{ path: [...path], from }, ...parts] : parts;
}

/** A file of `profiles`. */
export const FACILITY_PROFILE = shape.superRefine((profile, context) => {
  const { sources, ...facts } = profile;
  const cited = citations(facts);
  const fault = (path: (string | number)[], message: string) => context.addIssue({ code: "custom", path, message });
  for (const { path, from } of cited) if (sources[from] === undefined) fault(path, `there is no source ${from}`);
  for (const name of Object.keys(sources))
    if (!cited.some(({ from }) => from === name)) fault(["sources", name], "nothing is taken from this source");
  for (const name of SECTIONS) {
    const said = profile.notFound[name] !== undefined;
    if (profile[name] === undefined && !said) fault([], `${name} is not there, and notFound does not say why`);
    if (profile[name] !== undefined && said) fault(["notFound", name], `${name} is there`);
  }
  if (profile.outside?.value === "proxy" && profile.proxy === undefined) fault(["outside"], "which proxy? say it in proxy");
});

function matches(host: string, pattern: string): boolean {
  const words = pattern.split("*").map((part) => part.replaceAll(".", "\\."));
  return new RegExp(`^${words.join(".*")}$`).test(host.toLowerCase());
}

/** Whether a login node of this name is one of the machine; its domain may be there or not. */
export function isHostOf({ hosts = [] }: Pick<FacilityProfile, "hosts">, host: string): boolean {
  return hosts.some(({ match }) => matches(host, match));
}
