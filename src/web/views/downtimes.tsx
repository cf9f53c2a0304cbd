/** Downtimes that are in force or to come, and what the facilities' feeds say; a stale feed says so. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { DowntimeView, FeedView } from "../../core/downtime.js";
import { askJson } from "../api.js";
import { sites } from "../live.js";
import { Table } from "../table.js";
import { ago } from "../words.js";

interface Answer {
  readonly downtimes: readonly DowntimeView[];
  readonly feeds: readonly FeedView[];
}

const local = (iso: string): string => new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

/** The table, where there is something to say. */
export function Downtimes() {
  const known = useSignal<Answer>({ downtimes: [], feeds: [] });
  useSignalEffect(() => {
    // Asked for again as often as the sites.
    void sites.value;
    askJson<Answer>("/v1/downtimes")
      .then((answer) => {
        known.value = answer;
      })
      .catch(() => {});
  });
  const { downtimes, feeds } = known.value;
  if (downtimes.length === 0 && feeds.length === 0) return null;
  const nowMs = Date.now();
  return (
    <>
      <h2>Downtimes</h2>
      {downtimes.length === 0 ? (
        <p>None is known.</p>
      ) : (
        <Table titles={["Site", "State", "From", "To", "Kind", "Source", "Why"]}>
          {downtimes.map(({ id, site, state, from, to, kind, source, text }) => (
            <tr key={id}>
              <th scope="row">{site}</th>
              <td>
                <span class={`state ${state === "in-force" ? "silent" : ""}`}>{state}</span>
              </td>
              <td>{local(from)}</td>
              <td>{to === null ? "open" : local(to)}</td>
              <td>{kind}</td>
              <td>{source}</td>
              <td class="reason">{text}</td>
            </tr>
          ))}
        </Table>
      )}
      {feeds.map(({ name, state, heardAt, reason }) => (
        <p key={name} class={state === "fresh" ? "muted" : "warning"}>
          Feed {name}: {state}, heard {ago(heardAt, nowMs)}
          {reason !== null && `: ${reason}`}
        </p>
      ))}
    </>
  );
}
