/** Why a job is, or goes, where it does: the sites with what each stage is expected to take, what was promised, and what really was. */
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { Explanation, StagesMs } from "../../core/explanation.js";
import { STAGES, type StageName } from "../../core/promise.js";
import { askJson } from "../api.js";
import { changed } from "../live.js";
import { Table } from "../table.js";
import { duration } from "../words.js";

const TITLES: Readonly<Record<StageName, string>> = {
  ...{ stageIn: "Stage-in", allocation: "Allocation", ahead: "Work ahead", run: "Run", stageOut: "Stage-out" },
};

function Row({ name, stagesMs, ms, sdMs, note }: { name: string; stagesMs: StagesMs; ms: number; sdMs?: number; note: string }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {STAGES.map((stage) => (
        <td key={stage} class="number">
          {stagesMs[stage] > 0 ? duration(stagesMs[stage] / 1_000) : "–"}
        </td>
      ))}
      <td class="number">
        {duration(ms / 1_000)}
        {sdMs !== undefined && ` ± ${duration(sdMs / 1_000)}`}
      </td>
      <td>{note}</td>
    </tr>
  );
}

/** The router's explanation of a job. */
export function Explain({ job }: { job: string }) {
  const known = useSignal<Explanation | null>(null);
  // Of this job alone: others change all the time.
  const version = useComputed(() => changed.value.get(job));
  useSignalEffect(() => {
    void version.value;
    askJson<Explanation>(`/v1/jobs/${encodeURIComponent(job)}/explain`)
      .then((explanation) => {
        known.value = explanation;
      })
      .catch(() => {});
  });
  if (known.value === null) return null;
  const { policy, site: chosen, why, sites, promised, happened } = known.value;
  return (
    <section aria-label="Why there">
      <h2>Why there</h2>
      <p>
        {why} <span class="muted">(policy {policy})</span>
      </p>
      <Table titles={["Site", ...STAGES.map((stage) => TITLES[stage]), "Answer", ""]} numbers={[1, 2, 3, 4, 5, 6]}>
        {sites.map(({ site, unable, ms, sdMs, stagesMs, runBy, runs }) =>
          ms === null ? (
            <tr key={site}>
              <th scope="row">{site}</th>
              <td colSpan={STAGES.length + 2}>{unable}</td>
            </tr>
          ) : (
            <Row
              key={site}
              {...{ name: site, stagesMs, ms, sdMs: sdMs ?? 0 }}
              note={`${site === chosen ? "chosen; " : ""}${runBy === "runs" ? `${runs} runs there` : `run by ${runBy}`}`}
            />
          ),
        )}
        {promised !== null && (
          <Row
            name="promised"
            {...promised}
            note={promised.next === null ? "" : `next: ${promised.next.site}, ${duration(promised.next.ms / 1_000)}`}
          />
        )}
        {happened !== null && (
          <Row name="really" {...happened} note={happened.ratio === null ? "" : `${happened.ratio.toFixed(2)} of what was promised`} />
        )}
      </Table>
    </section>
  );
}
