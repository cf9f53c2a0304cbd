/** Figures in the sentences that say why: a few digits, and never an exponent. */

/** `2.0`, `20`, `180`: so many digits that count. */
export function figure(value: number, digits: number): string {
  const text = value.toPrecision(digits);
  return text.includes("e+") ? String(Number(text)) : text;
}

/** `2.0 s`. */
export const seconds = (ms: number): string => `${figure(ms / 1000, 2)} s`;
