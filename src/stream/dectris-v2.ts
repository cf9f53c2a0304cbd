/**
 * Messages of DECTRIS Stream V2: one CBOR map each (RFC 8949), images as multi-dimensional typed arrays (RFC 8746) whose bytes may be packed (tag 56500).
 * @source https://github.com/dectris/documentation stream_v2/README.md and cbor/dectris-compression-tag.md, of June 2026
 */
import { decode, Tag } from "cbor2";
import { XpcsError } from "../core/errors.js";
import type { FramePacking } from "../core/frame-packing.js";
import { hasMoreItems } from "./cbor-items.js";
import type { ChannelImage, DectrisMessage } from "./dectris.js";
import { badMessage, brief, frameTimeOf, plainText, wholeNumber } from "./dectris-fields.js";

const MULTI_DIMENSIONAL = 40;
const COMPRESSED = 56_500;
/** Tags of typed arrays that detectors send: unsigned, little-endian. */
const WORD_BYTES = new Map<number, 1 | 2 | 4>([
  [64, 1],
  [69, 2],
  [70, 4],
]);
/** A detector's have some tens: tables are one item each. */
const ITEMS_MAX = 10_000;
const CHANNELS_MAX = 64;

/**
 * Reads one message. Image bytes are a view of it.
 * @throws CORRUPT_DATA with the field · UNSUPPORTED a type or a packing that is not taken
 */
export function readV2(bytes: Uint8Array): DectrisMessage {
  if (hasMoreItems(bytes, ITEMS_MAX)) throw badMessage(`it has more than ${ITEMS_MAX} items`);
  let map: unknown;
  try {
    map = decode(bytes, { ignoreGlobalTags: true, preferMap: true });
  } catch (error) {
    throw badMessage(`${bytes.length} bytes are no CBOR (${(error as Error).message})`);
  }
  const fields = asMap(map, "it");
  const type = fields.get("type");
  if (type === "start") return readStart(fields);
  if (type === "image") return readImage(fields);
  if (type === "end") return { kind: "end", series: whole(fields, "series_id") };
  throw badMessage(`its type is ${brief(type)}`);
}

function readStart(fields: ReadonlyMap<unknown, unknown>): DectrisMessage {
  const channels = fields.get("channels");
  if (!Array.isArray(channels) || channels.length < 1 || channels.length > CHANNELS_MAX)
    throw badMessage(`its channels are ${brief(channels)}`);
  const series = whole(fields, "series_id");
  return {
    kind: "start",
    series,
    shape: { height: positive(fields, "image_size_y"), width: positive(fields, "image_size_x") },
    frameTimeS: frameTimeOf(fields.get("frame_time")),
    images: fields.has("number_of_images") ? whole(fields, "number_of_images") : null,
    channels: channels.map((name) => plainText(name, "a channel's name")),
    id: fields.has("series_unique_id") ? plainText(fields.get("series_unique_id"), "series_unique_id") : String(series),
    name: ["detector_description", "detector_serial_number"]
      .filter((key) => fields.has(key))
      .map((key) => plainText(fields.get(key), key))
      .join(" "),
  };
}

function readImage(fields: ReadonlyMap<unknown, unknown>): DectrisMessage {
  const image = whole(fields, "image_id");
  const channels = new Map<string, ChannelImage>();
  for (const [name, data] of asMap(fields.get("data"), "its data")) {
    const channel = plainText(name, "a channel's name");
    channels.set(channel, readArray(data, `${channel} of image ${image}`));
  }
  return { kind: "image", series: whole(fields, "series_id"), image, channels };
}

function readArray(value: unknown, what: string): ChannelImage {
  const parts = tagged(value, MULTI_DIMENSIONAL);
  if (!Array.isArray(parts) || parts.length !== 2)
    throw badMessage(`${what} is no two-dimensional array of rows (tag ${MULTI_DIMENSIONAL})`);
  const [shape, typed] = parts as [unknown, unknown];
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((n) => Number.isSafeInteger(n) && n > 0))
    throw badMessage(`${what} has the shape ${brief(shape)}`);
  if (!(typed instanceof Tag)) throw badMessage(`${what} is no typed array`);
  const wordBytes = WORD_BYTES.get(Number(typed.tag));
  if (wordBytes === undefined)
    throw new XpcsError(
      "UNSUPPORTED",
      `${what} is an array with tag ${typed.tag}: taken are unsigned little-endian words of 8, 16 and 32 bits`,
    );
  const [height, width] = shape as [number, number];
  return { height, width, ...readBytes(typed.contents, wordBytes, what) };
}

function readBytes(value: unknown, wordBytes: 1 | 2 | 4, what: string): { readonly bytes: Uint8Array; readonly packing: FramePacking } {
  if (value instanceof Uint8Array) return { bytes: value, packing: { packing: "none", wordBytes, elementBytes: wordBytes } };
  const parts = tagged(value, COMPRESSED);
  if (!Array.isArray(parts) || parts.length !== 3 || !(parts[2] instanceof Uint8Array))
    throw badMessage(`${what} has neither bytes nor packed ones (tag ${COMPRESSED})`);
  const [how, elementBytes, bytes] = parts as [unknown, unknown, Uint8Array];
  if (how === "lz4") return { bytes, packing: { packing: "lz4", wordBytes, elementBytes: wordBytes } };
  if (how !== "bslz4") throw new XpcsError("UNSUPPORTED", `${what} is packed by ${brief(how)}: taken are bslz4, lz4 and plain bytes`);
  if (elementBytes !== 1 && elementBytes !== 2 && elementBytes !== 4)
    throw badMessage(`${what} says elements of ${brief(elementBytes)} bytes`);
  return { bytes, packing: { packing: "bslz4", wordBytes, elementBytes } };
}

/** Contents of a tag; null: another one, or none. */
function tagged(value: unknown, tag: number): unknown {
  return value instanceof Tag && Number(value.tag) === tag ? value.contents : null;
}

function asMap(value: unknown, what: string): ReadonlyMap<unknown, unknown> {
  if (!(value instanceof Map)) throw badMessage(`${what} is no map`);
  return value;
}

function whole(fields: ReadonlyMap<unknown, unknown>, key: string): number {
  return wholeNumber(fields.get(key), `its ${key}`);
}

function positive(fields: ReadonlyMap<unknown, unknown>, key: string): number {
  const value = whole(fields, key);
  if (value < 1) throw badMessage(`its ${key} is 0`);
  return value;
}
