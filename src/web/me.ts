/** Who is logged in, and whether they may change anything: what they may not do is not offered. Central refuses it in any case. */
import { signal } from "@preact/signals";
import type { Role } from "../core/access.js";
import { askJson } from "./api.js";

export interface Me {
  readonly person: string;
  readonly role: Role;
  readonly experiment: string | null;
}

export const me = signal<Me | null>(null);

/** Asks central again. */
export async function learnMe(): Promise<void> {
  me.value = await askJson<Me>("/v1/me");
}

/** True for an operator. */
export function mayAct(): boolean {
  return me.value?.role === "operator";
}
