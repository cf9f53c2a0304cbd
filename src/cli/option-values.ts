/** Readers of option values for commander: text in, checked value out. */
import { InvalidArgumentError } from "commander";

/** A whole number within bounds. */
export function integerOption(min: number, max: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || value < min || value > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`It must be a whole number ${range}.`);
    }
    return value;
  };
}

/** A finite number above zero. */
export function positiveOption(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) throw new InvalidArgumentError("It must be a number above zero.");
  return value;
}

/** Collects an option that may be given several times. */
export function collectTexts(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text];
}

/** Collects repeated `--tag key=value` options into one record. */
export function collectPairs(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must have the form key=value.");
  return { ...previous, [text.slice(0, at)]: text.slice(at + 1) };
}
