/** A link that gives the user a file that the page has made, or fetched. */
import { useEffect, useMemo } from "preact/hooks";

/** @param content of one identity while it is the same: the link is made anew with it */
export function Keep({ name, type, content, children }: { name: string; type: string; content: BlobPart; children: string }) {
  const url = useMemo(() => URL.createObjectURL(new Blob([content], { type })), [content, type]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return (
    <a class="button" href={url} download={name}>
      {children}
    </a>
  );
}
