/**
 * Messages of DECTRIS Stream V1, the older one: several parts each, JSON and then the bytes of an image.
 * @source the vendor's SIMPLON API reference (stream interface), and the areaDetector driver that reads it (github.com/areaDetector/ADEiger)
 */
import { XpcsError } from "../core/errors.js";
import type { FramePacking } from "../core/frame-packing.js";
import { type ChannelImage, type DectrisMessage, ONLY_CHANNEL } from "./dectris.js";
import { badMessage, brief, frameTimeOf, plainText, wholeNumber } from "./dectris-fields.js";

const WORD_BYTES = new Map<string, 1 | 2 | 4>([
  ["uint8", 1],
  ["uint16", 2],
  ["uint32", 4],
]);
/** Longer parts are no JSON of the vendor's. */
const JSON_BYTES_MAX = 1024 * 1024;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads the parts of one message. Image bytes are a view of them.
 * @throws CORRUPT_DATA with the part or field · UNSUPPORTED a type or a packing that is not taken
 */
export function readV1(parts: readonly Uint8Array[]): DectrisMessage {
  const head = json(parts, 0);
  const htype = text(head, "htype");
  if (htype.startsWith("dheader-")) return readHeader(head, parts);
  if (htype.startsWith("dimage-")) return readImage(head, parts);
  if (htype.startsWith("dseries_end-")) return { kind: "end", series: whole(head, "series") };
  throw badMessage(`its htype is ${JSON.stringify(htype)}`);
}

function readHeader(head: Fields, parts: readonly Uint8Array[]): DectrisMessage {
  const series = whole(head, "series");
  const none = { kind: "start", series, channels: [], id: String(series) } as const;
  // An appendix may follow a header without details.
  if (text(head, "header_detail") === "none") return { ...none, shape: null, frameTimeS: 0, images: null, name: "" };
  const config = json(parts, 1);
  const images = config.nimages === undefined ? null : whole(config, "nimages");
  const triggers = config.ntrigger === undefined ? 1 : Math.max(1, whole(config, "ntrigger"));
  return {
    ...none,
    // The header has the detector's size, and a region of interest is smaller: the images say theirs.
    shape: null,
    frameTimeS: frameTimeOf(config.frame_time),
    images: images === null || !Number.isSafeInteger(images * triggers) ? null : images * triggers,
    name: ["description", "detector_number"]
      .filter((key) => config[key] !== undefined)
      .map((key) => text(config, key))
      .join(" "),
  };
}

function readImage(head: Fields, parts: readonly Uint8Array[]): DectrisMessage {
  const image = whole(head, "frame");
  const about = json(parts, 1);
  const what = `image ${image}`;
  if (!text(about, "htype").startsWith("dimage_d-")) throw badMessage(`the second part of ${what} is ${brief(about.htype)}`);
  const shape = about.shape;
  const flat = Array.isArray(shape) && (shape.length === 2 || (shape.length === 3 && shape[2] === 1));
  if (!flat || !(shape as unknown[]).every((n) => typeof n === "number" && Number.isSafeInteger(n) && n > 0))
    throw badMessage(`${what} has the shape ${brief(shape)}`);
  const [width, height] = shape as [number, number];
  const bytes = parts[2];
  if (bytes === undefined) throw badMessage(`${what} has no bytes`);
  if (about.size !== undefined && about.size !== bytes.length)
    throw badMessage(`${what} is said to have ${brief(about.size)} bytes, and ${bytes.length} came`);
  const found: ChannelImage = { height, width, bytes, packing: packingOf(text(about, "encoding"), text(about, "type"), what) };
  return { kind: "image", series: whole(head, "series"), image, channels: new Map([[ONLY_CHANNEL, found]]) };
}

/** As "bs16-lz4<": bitshuffle with the bits of its elements, LZ4, the order of bytes. */
function packingOf(encoding: string, type: string, what: string): FramePacking {
  const wordBytes = WORD_BYTES.get(type);
  if (wordBytes === undefined) throw new XpcsError("UNSUPPORTED", `${what} is of ${brief(type)}: taken are uint8, uint16 and uint32`);
  const [whole, bits, lz4, order] = /^(?:bs(8|16|32)-)?(lz4)?([<>])$/.exec(encoding) ?? [];
  if (whole === undefined || (order === ">" && wordBytes > 1) || (bits !== undefined && lz4 === undefined))
    throw new XpcsError("UNSUPPORTED", `${what} is packed as ${brief(encoding)}: taken are lz4<, bs8-lz4<, bs16-lz4<, bs32-lz4< and <`);
  if (lz4 === undefined) return { packing: "none", wordBytes, elementBytes: wordBytes };
  if (bits === undefined) return { packing: "lz4-block", wordBytes, elementBytes: wordBytes };
  return { packing: "bslz4", wordBytes, elementBytes: Number(bits) / 8 };
}

function json(parts: readonly Uint8Array[], at: number): Fields {
  const part = parts[at];
  if (part === undefined) throw badMessage(`it has ${parts.length} parts, and no part ${at + 1}`);
  if (part.length > JSON_BYTES_MAX) throw badMessage(`part ${at + 1} has ${part.length} bytes, and should be JSON`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(part));
  } catch {
    throw badMessage(`part ${at + 1} is no JSON`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw badMessage(`part ${at + 1} is no JSON object`);
  return value as Fields;
}

function whole(fields: Fields, key: string): number {
  return wholeNumber(fields[key], `its ${key}`);
}

function text(fields: Fields, key: string): string {
  return plainText(fields[key], `its ${key}`);
}
