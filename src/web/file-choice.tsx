/** Chooses one file or several from the folders that central serves: enters folders, narrows by a part of the name, and hands the paths over. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { FolderEntry, FolderPage } from "../core/folders.js";
import { askJson, messageOf, query } from "./api.js";
import { tooMany } from "./submit-jobs.js";
import { ago, bytes } from "./words.js";

/** Whether central's settings list folders to choose from. */
export async function hasServedFolders(): Promise<boolean> {
  try {
    await askJson<FolderPage>("/v1/folders");
    return true;
  } catch {
    return false;
  }
}

/** The folder where the last files were chosen: the next are near them. */
let lately: string | null = null;

interface FileChoiceProps {
  readonly experiment: string;
  readonly what: string;
  /** More than 1: files can be ticked, so many at most. */
  readonly mostFiles: number;
  /** Null: none, it is closed. */
  readonly choose: (paths: readonly string[] | null) => void;
}

/** A click on a file takes it alone; ticked ones, of any folders, are taken together. */
export function FileChoice({ experiment, what, mostFiles, choose }: FileChoiceProps) {
  const ticked = useSignal<ReadonlySet<string>>(new Set());
  const folder = useSignal<string | null>(lately);
  const like = useSignal("");
  const shown = useSignal<FolderPage | null>(null);
  const problem = useSignal<string | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const asking = useRef(new AbortController());
  const load = (after: string | null): void => {
    // What was asked before is of another folder, or of another part of a name.
    asking.current.abort();
    const stop = new AbortController();
    asking.current = stop;
    const asked = query({ experiment, folder: folder.value ?? undefined, like: like.value || undefined, after: after ?? undefined });
    const before = after === null ? [] : (shown.peek()?.entries ?? []);
    askJson<FolderPage>(`/v1/folders${asked}`, { signal: stop.signal }).then(
      (page) => {
        shown.value = { ...page, entries: [...before, ...page.entries] };
        problem.value = null;
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        problem.value = messageOf(error);
        // A folder of another time that is not there any more.
        if (folder.peek() === lately) folder.value = lately = null;
      },
    );
  };
  useSignalEffect(() => {
    load(null);
    return () => asking.current.abort();
  });
  // Before the next key: Escape closes it wherever the focus is, also when the button that had it is gone.
  useLayoutEffect(() => {
    const closeOn = ({ key }: KeyboardEvent) => {
      if (key === "Escape") choose(null);
    };
    addEventListener("keydown", closeOn);
    box.current?.querySelector("input")?.focus();
    return () => removeEventListener("keydown", closeOn);
  }, []);
  const enter = (path: string | null) => {
    like.value = "";
    folder.value = path;
    box.current?.querySelector("input")?.focus();
  };
  const hand = (paths: readonly string[]) => {
    lately = folder.value;
    choose(paths);
  };
  const take = (entry: FolderEntry) => {
    if (entry.kind === "folder") enter(entry.path);
    else hand([entry.path]);
  };
  const tick = (paths: readonly string[], on: boolean) => {
    const next = new Set(ticked.value);
    for (const path of paths) on ? next.add(path) : next.delete(path);
    ticked.value = next;
  };
  const page = shown.value;
  const files = page?.entries.flatMap(({ kind, path }) => (kind === "file" ? [path] : [])) ?? [];
  const count = ticked.value.size;
  const nowMs = Date.now();
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would be part of the form's own
    <div ref={box} class="choice" role="group" aria-label={`Choose ${what}`}>
      <div class="filters">
        <button type="button" disabled={folder.value === null} onClick={() => enter(page?.parent ?? null)}>
          Up
        </button>
        <code>{folder.value ?? `served folders of ${experiment}`}</code>
        <input
          aria-label="Name contains"
          placeholder="name contains"
          value={like.value}
          onInput={({ currentTarget }) => {
            like.value = currentTarget.value;
          }}
          onKeyDown={(event) => {
            // Not the form's.
            if (event.key === "Enter") event.preventDefault();
          }}
        />
        <button type="button" onClick={() => choose(null)}>
          Close
        </button>
      </div>
      {problem.value !== null && <p role="alert">{problem.value}</p>}
      <ul class="entries">
        {page?.entries.map((entry) => (
          <li key={entry.path}>
            <span>
              {mostFiles > 1 && entry.kind === "file" && (
                <input
                  type="checkbox"
                  aria-label={`tick ${entry.name}`}
                  checked={ticked.value.has(entry.path)}
                  onChange={({ currentTarget }) => tick([entry.path], currentTarget.checked)}
                />
              )}
              <button type="button" onClick={() => take(entry)}>
                {entry.name}
                {entry.kind === "folder" ? "/" : ""}
              </button>
            </span>
            <span class="muted">
              {entry.kind === "file" && `${bytes(entry.bytes)}, `}
              {ago(entry.modifiedAt, nowMs)}
            </span>
          </li>
        ))}
        {page?.entries.length === 0 && <li class="muted">Nothing here{like.value === "" ? "" : " of that name"}.</li>}
      </ul>
      {page?.next != null && (
        <button type="button" onClick={() => load(page.next)}>
          More
        </button>
      )}
      {mostFiles > 1 && (
        <p>
          <label>
            <input
              type="checkbox"
              disabled={files.length === 0}
              checked={files.length > 0 && files.every((path) => ticked.value.has(path))}
              onChange={({ currentTarget }) => tick(files, currentTarget.checked)}
            />{" "}
            tick all shown
          </label>
          <button type="button" disabled={count === 0 || count > mostFiles} onClick={() => hand([...ticked.value])}>
            Take {count.toLocaleString("en")} {count === 1 ? "file" : "files"}
          </button>
          {count > mostFiles && <span role="alert">{tooMany(count)}</span>}
        </p>
      )}
    </div>
  );
}
