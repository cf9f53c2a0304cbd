/** A table with its head, in a box that scrolls when it is wider than the screen. */
import type { ComponentChildren } from "preact";

interface TableProps {
  readonly titles: readonly string[];
  /** Places of the columns of numbers, whose titles stand at the right as they do. */
  readonly numbers?: readonly number[];
  /** It scrolls by itself when it has many rows. */
  readonly tall?: boolean;
  readonly children: ComponentChildren;
}

/** Rows are its children. */
export function Table({ titles, numbers = [], tall = false, children }: TableProps) {
  return (
    <div class={`scroll ${tall ? "tall" : ""}`}>
      <table>
        <thead>
          <tr>
            {titles.map((title, at) => (
              <th key={title} scope="col" class={numbers.includes(at) ? "number" : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
