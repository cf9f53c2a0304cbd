/** A table with its head, in a box that scrolls when it is wider than the screen. */
import type { ComponentChildren } from "preact";

/** @param tall it scrolls by itself when it has many rows */
export function Table({ titles, tall = false, children }: { titles: readonly string[]; tall?: boolean; children: ComponentChildren }) {
  return (
    <div class={`scroll ${tall ? "tall" : ""}`}>
      <table>
        <thead>
          <tr>
            {titles.map((title) => (
              <th key={title} scope="col">
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
