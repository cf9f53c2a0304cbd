/** Reads a settings file of central or a site (docs/settings.md, docs/apps.md) by its schema. */
import type { z } from "zod";
import { XpcsError } from "../core/errors.js";
import { readText } from "./text-file.js";

/**
 * The settings from their text.
 *
 * @throws INVALID_ARGUMENT naming the field
 */
export function parseSettings<T extends z.ZodType>(schema: T, text: string, path: string): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new XpcsError("INVALID_ARGUMENT", `${path} is not JSON: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  // Of a name zod says only that it is wrong; why is one level below.
  const why = issue.code === "invalid_key" ? issue.issues.map(({ message }) => message).join("; ") : issue.message;
  throw new XpcsError("INVALID_ARGUMENT", `${path}: ${issue.path.map(String).join(".") || "the file"}: ${why}`);
}

/** The same from the file; without one, what holds when nothing is said. @throws NOT_FOUND · IO_FAILED · INVALID_ARGUMENT */
export function readSettingsFile<T extends z.ZodType>(schema: T, path: string | undefined): z.output<T> {
  if (path === undefined) return schema.parse({});
  return parseSettings(schema, readText(path, "the settings"), path);
}
