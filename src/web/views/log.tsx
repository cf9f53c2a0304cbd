/** What an attempt has written, followed as it comes. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { askJson, messageOf, query } from "../api.js";
import { place, setQuery } from "../place.js";

interface LogPart {
  readonly attempt: number;
  readonly text: string;
  readonly next: number;
  readonly ended: boolean;
}

const STREAMS = ["stdout", "stderr"] as const;
/** Of a longer text the end is kept. */
const CHARS_MAX = 1_000_000;

async function follow(job: string, stream: string, stop: AbortSignal, take: (text: string) => void): Promise<void> {
  let attempt: number | undefined;
  let offset = 0;
  while (!stop.aborted) {
    const asked: string = query({ stream, offset, attempt: attempt === 0 ? undefined : attempt });
    const part: LogPart = await askJson(`/v1/jobs/${encodeURIComponent(job)}/logs${asked}`, { signal: stop });
    attempt = part.attempt;
    offset = part.next;
    take(part.text);
    if (part.ended) return;
  }
}

/** Both streams of a job's latest attempt, one at a time. */
export function Log({ job }: { job: string }) {
  const asked = place.value.query.get("stream");
  const stream = asked === "stderr" ? asked : "stdout";
  const text = useSignal("");
  const ended = useSignal<string | null>(null);
  const box = useRef<HTMLPreElement>(null);
  useSignalEffect(() => {
    const stop = new AbortController();
    const wanted = place.value.query.get("stream") === "stderr" ? "stderr" : "stdout";
    text.value = "";
    ended.value = null;
    follow(job, wanted, stop.signal, (more) => {
      if (more !== "") text.value = (text.peek() + more).slice(-CHARS_MAX);
    }).then(
      () => {
        ended.value = "The attempt has ended.";
      },
      (error: unknown) => {
        if (!stop.signal.aborted) ended.value = messageOf(error);
      },
    );
    return () => stop.abort();
  });
  useEffect(() => {
    const pre = box.current!;
    pre.scrollTop = pre.scrollHeight;
  }, [text.value]);
  return (
    <section aria-label="Log">
      <div class="filters">
        <label for="stream">Log</label>
        <select id="stream" value={stream} onChange={({ currentTarget }) => setQuery({ stream: currentTarget.value })}>
          {STREAMS.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <span role="status">{ended.value ?? "followed"}</span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <pre ref={box} class="log" tabIndex={0}>
        {text.value}
      </pre>
    </section>
  );
}
