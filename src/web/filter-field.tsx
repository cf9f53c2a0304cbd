/** A field that narrows a list: what is typed is in the address, under the field's name. */
import { place, setQuery } from "./place.js";
import { titled } from "./words.js";

/** The field, with its label. A list has its parts between commas. */
export function FilterField({ name, size, hint = "" }: { name: string; size: number; hint?: string }) {
  return (
    <span>
      <label for={`by-${name}`}>{titled(name)}</label>{" "}
      <input
        id={`by-${name}`}
        size={size}
        placeholder={hint}
        value={place.value.query.get(name) ?? ""}
        onChange={({ currentTarget }) => setQuery({ [name]: currentTarget.value.trim().replace(/\s*,\s*/g, ","), after: null })}
      />
    </span>
  );
}
