/**
 * A detector file through central: submit it, follow it, read where its result is. Central and a site must be running
 * (`xpcs central`, `xpcs site`).
 *
 * Run it: XPCS_CENTRAL=ws://127.0.0.1:7878 XPCS_TOKEN=... node examples/01-submit.ts scan.bin qmap.hdf scan_results.hdf
 * (Node 22.18 or later), or npx tsx examples/01-submit.ts ...
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { connect, type JobView } from "xpcs-runtime";

export interface Wish {
  readonly central: string;
  readonly token: string;
  readonly input: string;
  readonly qmap: string;
  readonly out: string;
}

/** Submits one correlation and waits for it; prints each change. */
export async function run({ central, token, input, qmap, out }: Wish, print: (line: string) => void): Promise<JobView> {
  const client = await connect(central, { token });
  try {
    const { jobs } = await client.submit({
      // With a key, the same submission again (after a crash of this program, say) makes no second job.
      key: `example ${resolve(out)}`,
      jobs: [
        {
          work: {
            app: "xpcs.corr",
            input: { path: resolve(input) },
            qmap: { path: resolve(qmap) },
            out: { path: resolve(out) },
            overwrite: false,
            options: { frameTimeS: 2e-5 },
          },
          tags: { sample: "example" },
          attemptsMax: 3,
        },
      ],
    });
    // Survives a restart of central: it connects again and goes on waiting.
    const [job] = await client.wait(jobs, { onChange: ({ id, state, site }) => print(`${id} is ${state}${site ? ` at ${site}` : ""}`) });
    if (job === undefined || job.state !== "finished") throw new Error(`the job ended as ${job?.state}: ${job?.reason}`);
    print(`${job.site} did it, because ${job.why}`);
    for (const { path, bytes, sha256 } of job.outputs) print(`${path}: ${bytes} bytes, sha256 ${sha256}`);
    return job;
  } finally {
    client.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [input, qmap, out] = process.argv.slice(2);
  const { XPCS_CENTRAL: central, XPCS_TOKEN: token } = process.env;
  if (!input || !qmap || !out || !central || !token) throw new Error("give INPUT QMAP OUT, and set XPCS_CENTRAL and XPCS_TOKEN");
  await run({ central, token, input, qmap, out }, console.log);
}
