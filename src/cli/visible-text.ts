/**
 * Text of others (output of commands, reasons, names of files) so that a terminal shows it and does not obey it: control characters and marks
 * that turn the direction of writing become their numbers. Line ends and tabs stay.
 */

/** C0 but for tab and line feed, DEL, C1 (a terminal takes U+009B for the beginning of a sequence), and the marks of direction. */
const OBEYED = /(?![\t\n])\p{Cc}|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

const PLAIN = /^[\x20-\x7e]*$/;

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, "0");
}

/** For a person: `\x1b`, `\u202e`. A carriage return before a line feed is no more than a line end. */
export function visibleText(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(OBEYED, (character) => (character < "\u0100" ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`));
}

/** The same of JSON text, whose value it does not change: what is left in it unescaped is within strings. */
export function visibleJson(json: string): string {
  // Most lines are plain, and are looked at once.
  if (PLAIN.test(json)) return json;
  return json.replace(OBEYED, (character) => `\\u${hex(character, 4)}`);
}
