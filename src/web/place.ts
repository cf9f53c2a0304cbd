/** Which view is shown: the part of the address behind `#`, so that a link opens the same view for somebody else. */
import { signal } from "@preact/signals";

export interface Place {
  /** `["jobs", ID]` of `#/jobs/ID?tab=log`. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

function read(): Place {
  const [path = "", search = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { path: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(search) };
}

export const place = signal<Place>(read());

addEventListener("hashchange", () => {
  place.value = read();
});

/** `#/jobs/ID?tab=log` of `["jobs", ID]` and `{tab: "log"}`; what is empty is left out. */
export function linkTo(path: readonly string[], values: Readonly<Record<string, string | null | undefined>> = {}): string {
  const search = new URLSearchParams(Object.entries(values).flatMap(([name, value]) => (value ? [[name, value]] : []))).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${search === "" ? "" : `?${search}`}`;
}

/** Changes the query of this view, without a step in the history. */
export function setQuery(values: Readonly<Record<string, string | null>>): void {
  const { path, query } = place.value;
  const next = linkTo(path, { ...Object.fromEntries(query), ...values });
  history.replaceState(null, "", next);
  place.value = read();
}
