/** Which q bins are drawn: those of the address (`bins=1,4`), else some that are spread over all; and the box that chooses one. */
import { place, setQuery } from "./place.js";

/** Curves that are drawn before somebody chooses. */
const SHOWN = 5;

/** 1-based, of `all`. */
export function chosenBins(all: readonly number[]): readonly number[] {
  const asked = (place.value.query.get("bins") ?? "").split(",").map(Number);
  const known = all.filter((bin) => asked.includes(bin));
  if (known.length > 0) return known;
  const step = Math.max(1, all.length / SHOWN);
  return Array.from({ length: Math.min(SHOWN, all.length) }, (_, at) => all[Math.floor(at * step)]!);
}

/** @param shown what is drawn now */
export function BinBox({ bin, shown, label }: { bin: number; shown: readonly number[]; label: string }) {
  const toggle = () => {
    const next = shown.includes(bin) ? shown.filter((other) => other !== bin) : [...shown, bin].sort((a, b) => a - b);
    setQuery({ bins: next.join(",") });
  };
  return <input type="checkbox" checked={shown.includes(bin)} onChange={toggle} aria-label={`draw ${label}`} />;
}
