/** The kinds of feeds by name. A new one is one file here, one line, and recorded answers for the conformance suite. */
import type { FeedKind } from "./define.js";
import { ical } from "./ical.js";
import { iri } from "./iri.js";
import { s3m } from "./s3m.js";
import { sfapi } from "./sfapi.js";

export const FEED_KINDS: Readonly<Record<string, FeedKind>> = { iri, sfapi, s3m, ical };
