/** The rows of the table of transfers: goals, and what measures each. */
import type { RuntimeCase } from "../runtime/rows.js";
import { measureManyRsync, measureManyS3 } from "./far.js";
import { measureHttp, measureManyHttp } from "./http.js";
import { measureLocal } from "./local.js";

const ratio = { unit: "x", better: "less", balsam: "-" } as const;

export const STAGING_CASES: readonly RuntimeCase[] = [
  { name: "http", title: "200 MB through central, against curl and one sha256 pass", goal: 1.1, ...ratio, measure: measureHttp },
  {
    name: "local",
    title: "200 MB by shared path, in and out, beyond one sha256 pass",
    ...{ goal: 50, unit: "ms", better: "less", balsam: "-", measure: measureLocal },
  },
  { name: "many-http", title: "1000 files of 1 MB through central, against one of 1 GB", goal: 1.3, ...ratio, measure: measureManyHttp },
  { name: "many-rsync", title: "the same by rsync over ssh", goal: 1.3, ...ratio, measure: measureManyRsync },
  { name: "many-s3", title: "the same from an S3 store (s3rver)", goal: 1.3, ...ratio, measure: measureManyS3 },
];
