/** Who may do what: roles, what a token says of its holder, and tokens as people see them. No behaviour. */
import type { SiteName } from "./job.js";

/**
 * An operator submits, looks and cancels; a visitor only looks; a site takes work.
 * An operator of all experiments also makes and revokes tokens.
 */
export const ROLES = ["operator", "visitor", "site"] as const;
export type Role = (typeof ROLES)[number];

/** Which of central's two interfaces a caller wants on its link: the one for people and scripts, or the one for sites. */
export type Party = "client" | "site";

/** The public name of a token; nothing of the token can be learnt from it. */
export type TokenId = string;

/** What central knows of the holder of a token. */
export interface Principal {
  readonly token: TokenId;
  /** The person's name, as the ledger and the log carry it. */
  readonly person: string;
  readonly role: Role;
  /** Sees and touches jobs of this experiment only; null: of all. */
  readonly experiment: string | null;
  /** A site token for this site only; null: for any. */
  readonly site: SiteName | null;
}

/** What a new token shall be. `hash` is the SHA-256 of the token in hex: central never sees, and never keeps, the token itself. */
export interface TokenRequest {
  readonly hash: string;
  readonly role: Role;
  readonly person: string;
  readonly experiment?: string;
  readonly site?: SiteName;
  /** Seconds from now until it expires; null: never. */
  readonly validS: number | null;
  /** A join code: it opens nothing, and is exchanged once for the token of a site (valid for `validS` from then on). */
  readonly join?: boolean;
}

export const TOKEN_STATES = ["valid", "expired", "revoked", "used"] as const;

/** A token as `xpcs token list --json` prints it (docs/cli.md pins this shape). Times are ISO 8601 UTC. */
export interface TokenView {
  readonly id: TokenId;
  readonly person: string;
  readonly role: Role;
  readonly experiment: string | null;
  readonly site: SiteName | null;
  /** A join code, not a token. */
  readonly join: boolean;
  readonly state: (typeof TOKEN_STATES)[number];
  readonly createdAt: string;
  readonly createdBy: string;
  /** The token, or the join code, that it was made with; null: in the data folder, or by a version that did not note it. */
  readonly madeWith: TokenId | null;
  readonly expiresAt: string | null;
}

/** A token that was ended, and what was made with it, also by way of others, as all are now. */
export interface Revoked {
  readonly token: TokenView;
  readonly descendants: readonly TokenView[];
}
