/** The tags of a job, as one reads and types them. */

/** `key=value`, one behind the other. */
export function Tags({ tags }: { tags: Readonly<Record<string, string>> }) {
  return Object.entries(tags).map(([key, value]) => (
    <span key={key} class="tag">
      {key}={value}{" "}
    </span>
  ));
}
