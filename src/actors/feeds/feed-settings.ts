/** What `xpcs central --feeds FILE` may hold (docs/downtimes.md). */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { BY_HAND, OWN_SOURCES } from "../../core/downtime.js";
import { safeUrl } from "../../wire/safe-url.js";
import { name } from "../job-schemas.js";
import { FEED_KINDS } from "./registry.js";
import { isZone } from "./zoned-time.js";

const TAKEN: readonly string[] = [BY_HAND, ...OWN_SOURCES];
/** From one question to the next, s: no more than a feed may be old before it is stale, so that one that fails is told apart. */
const EVERY_S = { min: 60, max: 600, default: 300 } as const;

const feed = z
  .strictObject({
    kind: z.enum(Object.keys(FEED_KINDS)),
    url: safeUrl("on its way anybody could take a site down").optional(),
    /** In place of `url`. */
    file: z
      .string()
      .refine((path) => isAbsolute(path) && !path.includes("\0"), "must be an absolute path")
      .optional(),
    /** Site to what the feed calls its machine. */
    sites: z.record(name, z.string().min(1).max(200)).refine((sites) => Object.keys(sites).length > 0, "names no site"),
    everyS: z.int().min(EVERY_S.min).max(EVERY_S.max).default(EVERY_S.default),
    /** Of times that name none. */
    zone: z.string().refine(isZone, "is no zone: Area/City, such as America/Chicago").optional(),
  })
  .superRefine(({ kind, url, file, zone }, context) => {
    const { fromFile, zone: own } = FEED_KINDS[kind]!;
    if (file !== undefined && !fromFile)
      context.addIssue({ code: "custom", path: ["file"], message: `a feed of kind ${kind} has no file` });
    if ((url === undefined) === (file === undefined))
      context.addIssue({ code: "custom", path: [], message: fromFile ? "needs a url or a file, one of them" : "needs a url" });
    if (zone !== undefined && own === null)
      context.addIssue({ code: "custom", path: ["zone"], message: `times of kind ${kind} name their zone themselves` });
  });

export const FEEDS_FILE = z.strictObject({
  feeds: z.record(
    name.refine((text) => !TAKEN.includes(text), `must not be ${TAKEN.join(", ")}`),
    feed,
  ),
});

export type FeedSettings = z.output<typeof FEEDS_FILE>["feeds"][string];
