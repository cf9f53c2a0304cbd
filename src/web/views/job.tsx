/** One job: its state and why, its attempts, its files. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { BUILT_IN_PREFIX, isFinal, type JobView } from "../../core/job.js";
import { askJson, messageOf } from "../api.js";
import { changed } from "../live.js";
import { mayAct } from "../me.js";
import { Tags } from "../tags.js";
import { ago, bytes } from "../words.js";
import { Explain } from "./explain.js";
import { Live } from "./live.js";
import { Log } from "./log.js";
import { Result } from "./result.js";

/** The job of this id, or why it cannot be shown. */
export function JobPage({ id }: { id: string }) {
  const asked = useSignal<JobView | null>(null);
  const problem = useSignal<string | null>(null);
  useSignalEffect(() => {
    askJson<JobView>(`/v1/jobs/${encodeURIComponent(id)}`)
      .then((job) => {
        asked.value = job;
      })
      .catch((error: unknown) => {
        problem.value = messageOf(error);
      });
  });
  const job = changed.value.get(id) ?? asked.value;
  if (job === null) return <p role="status">{problem.value ?? "…"}</p>;
  const cancel = () => {
    askJson(`/v1/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST", body: {} }).catch((error: unknown) => {
      problem.value = messageOf(error);
    });
  };
  const nowMs = Date.now();
  return (
    <>
      <h1>{job.inputs[0]?.split("/").at(-1) ?? job.app}</h1>
      <p>
        <span class={`state ${job.state}`}>{job.state}</span> {job.site !== null && `at ${job.site}`} {job.reason}
      </p>
      <p class="muted">
        <Tags tags={job.tags} />
      </p>
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      {!isFinal(job.state) && mayAct() && (
        <button type="button" onClick={cancel}>
          Cancel
        </button>
      )}
      {!job.app.startsWith(BUILT_IN_PREFIX) && <Log job={id} />}
      {job.app === "xpcs.stream" && !isFinal(job.state) && <Live job={id} />}
      {(job.app === "xpcs.corr" || job.app === "xpcs.stream") &&
        job.outputs.map((output, at) => <Result key={output.path} job={id} at={at} name={output.path.split("/").at(-1)!} />)}
      <Explain job={id} />
      <h2>Attempts</h2>
      <ol>
        {job.attempts.map((attempt) => (
          <li key={attempt.epoch}>
            {attempt.outcome} at {attempt.site}, {ago(attempt.startedAt, nowMs)}
            {attempt.reason !== undefined && `: ${attempt.reason}`}
          </li>
        ))}
      </ol>
      <h2>Files</h2>
      <ul>
        {job.inputs.map((path) => (
          <li key={path}>
            <code>{path}</code>
          </li>
        ))}
        {job.outputs.map((output) => (
          <li key={output.path}>
            <code>{output.path}</code> {bytes(output.bytes)}, sha256 <code>{output.sha256.slice(0, 12)}</code>
          </li>
        ))}
      </ul>
    </>
  );
}
