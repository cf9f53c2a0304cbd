/**
 * Messages as the vendor documents them, built by hand: CBOR (RFC 8949), typed arrays (RFC 8746), the JSON parts of Stream V1, bitshuffle and LZ4. Shares
 * nothing with the program that reads them.
 */

const utf8 = new TextEncoder();

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** The head of a CBOR item. */
function head(major: number, value: number): Uint8Array {
  const first = major << 5;
  if (value < 24) return Uint8Array.of(first | value);
  if (value < 0x100) return Uint8Array.of(first | 24, value);
  if (value < 0x10000) return Uint8Array.of(first | 25, value >> 8, value & 0xff);
  const view = new DataView(new ArrayBuffer(value < 2 ** 32 ? 5 : 9));
  view.setUint8(0, first | (value < 2 ** 32 ? 26 : 27));
  if (value < 2 ** 32) view.setUint32(1, value);
  else view.setBigUint64(1, BigInt(value));
  return new Uint8Array(view.buffer);
}

/** A number that is written as a float of 64 bits. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}
export class Tagged {
  readonly tag: number;
  readonly content: unknown;
  constructor(tag: number, content: unknown) {
    this.tag = tag;
    this.content = content;
  }
}
/** A map, or array, whose length is not said ahead. */
export class Indefinite {
  readonly content: object;
  constructor(content: object) {
    this.content = content;
  }
}

export function cbor(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return joined(head(2, value.length), value);
  if (value instanceof Tagged) return joined(head(6, value.tag), cbor(value.content));
  if (value instanceof Float) {
    const view = new DataView(new ArrayBuffer(9));
    view.setUint8(0, 0xfb);
    view.setFloat64(1, value.value);
    return new Uint8Array(view.buffer);
  }
  if (value instanceof Indefinite) {
    const entries = Array.isArray(value.content) ? value.content : Object.entries(value.content).flat();
    return joined(Uint8Array.of(Array.isArray(value.content) ? 0x9f : 0xbf), ...entries.map(cbor), Uint8Array.of(0xff));
  }
  if (typeof value === "string") return joined(head(3, utf8.encode(value).length), utf8.encode(value));
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "boolean") return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (Array.isArray(value)) return joined(head(4, value.length), ...value.map(cbor));
  const entries = Object.entries(value as object);
  return joined(head(5, entries.length), ...entries.flat().map(cbor));
}

/** LZ4: repeats of one byte as matches, all else as literals. */
export function lz4Block(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  const long = (n: number): void => {
    for (let left = n; ; left -= 255) {
      out.push(Math.min(left, 255));
      if (left < 255) return;
    }
  };
  let literals = 0;
  for (let at = 0; at < bytes.length; ) {
    let run = 1;
    while (at + run < bytes.length && bytes[at + run] === bytes[at]) run += 1;
    // A match leaves the last 5 bytes to literals, and begins 12 before the end at the latest.
    const match = Math.min(run - 1, bytes.length - 5 - (at + 1));
    if (match < 4 || at + 1 > bytes.length - 12) {
      at += run;
      continue;
    }
    const before = at + 1 - literals;
    out.push((Math.min(before, 15) << 4) | Math.min(match - 4, 15));
    if (before >= 15) long(before - 15);
    out.push(...bytes.subarray(literals, at + 1), 1, 0);
    if (match - 4 >= 15) long(match - 4 - 15);
    at += 1 + match;
    literals = at;
  }
  const rest = bytes.length - literals;
  out.push(Math.min(rest, 15) << 4);
  if (rest >= 15) long(rest - 15);
  out.push(...bytes.subarray(literals));
  return Uint8Array.from(out);
}

function bigEndian(value: number, bytes: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint32(bytes - 4, value);
  return new Uint8Array(view.buffer);
}

/** As the LZ4 filter of HDF5: the size, the size of a block, each block with its length. */
export function lz4Chunk(bytes: Uint8Array, block = 4096): Uint8Array {
  const blocks: Uint8Array[] = [bigEndian(bytes.length, 8), bigEndian(block, 4)];
  for (let at = 0; at < bytes.length; at += block) {
    const plain = bytes.subarray(at, at + block);
    const packed = lz4Block(plain);
    const kept = packed.length < plain.length ? packed : plain;
    blocks.push(bigEndian(kept.length, 4), kept);
  }
  return joined(...blocks);
}

/** As the bitshuffle filter of HDF5 with LZ4. */
export function bslz4Chunk(bytes: Uint8Array, elementBytes: number, blockElements = 1024): Uint8Array {
  const elements = bytes.length / elementBytes;
  const out: Uint8Array[] = [bigEndian(bytes.length, 8), bigEndian(blockElements * elementBytes, 4)];
  let done = 0;
  for (; done + 8 <= elements; ) {
    const n = Math.min(blockElements, Math.floor((elements - done) / 8) * 8);
    const shuffled = new Uint8Array(n * elementBytes);
    for (let i = 0; i < n; i += 1)
      for (let bit = 0; bit < 8 * elementBytes; bit += 1) {
        const byte = bytes[(done + i) * elementBytes + (bit >> 3)]!;
        if ((byte >> (bit & 7)) & 1) shuffled[(bit * n) / 8 + (i >> 3)]! |= 1 << (i & 7);
      }
    const packed = lz4Block(shuffled);
    out.push(bigEndian(packed.length, 4), packed);
    done += n;
  }
  out.push(bytes.subarray(done * elementBytes));
  return joined(...out);
}

export type Words = Uint8Array | Uint16Array | Uint32Array;
export type Packed = "none" | "lz4" | "bslz4";

const bytesOf = (words: Words): Uint8Array => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);

/** A multi-dimensional array of one channel. */
export function arrayV2(words: Words, height: number, width: number, packed: Packed): Tagged {
  const tag = words.BYTES_PER_ELEMENT === 1 ? 64 : words.BYTES_PER_ELEMENT === 2 ? 69 : 70;
  const plain = bytesOf(words);
  const size = words.BYTES_PER_ELEMENT;
  const content =
    packed === "none"
      ? plain
      : new Tagged(56_500, packed === "lz4" ? ["lz4", 0, lz4Chunk(plain)] : ["bslz4", size, bslz4Chunk(plain, size)]);
  return new Tagged(40, [[height, width], new Tagged(tag, content)]);
}

export interface SeriesOf {
  readonly height: number;
  readonly width: number;
  readonly frames: number;
  readonly series: number;
}

const UNIQUE = "01HBV3JPF2T4ZDPADX23EHWCT2";

/** All fields of the vendor's table, with its types. */
export function startV2({ height, width, frames, series }: SeriesOf, more: object = {}): Uint8Array {
  return cbor({
    type: "start",
    arm_date: new Tagged(0, "2026-06-24T14:48:45.123456Z"),
    beam_center_x: new Float(19.5),
    beam_center_y: new Float(15.5),
    channels: ["threshold_1"],
    count_time: new Float(9e-4),
    countrate_correction_enabled: true,
    countrate_correction_lookup_table: new Tagged(70, bytesOf(Uint32Array.of(0, 1, 2, 4))),
    detector_description: "DECTRIS EIGER2 Si 1M",
    detector_serial_number: "E-18-0000",
    detector_translation: [new Float(0), new Float(0), new Float(4)],
    flatfield: {},
    flatfield_enabled: true,
    frame_time: new Float(1e-3),
    goniometer: { omega: { increment: new Float(0.1), start: new Float(0) } },
    image_dtype: "uint16",
    image_size_x: width,
    image_size_y: height,
    incident_energy: new Float(8500),
    incident_wavelength: new Float(1.4586),
    number_of_images: frames,
    pixel_mask: { threshold_1: arrayV2(new Uint32Array(height * width), height, width, "bslz4") },
    pixel_mask_enabled: true,
    pixel_size_x: new Float(75e-6),
    pixel_size_y: new Float(75e-6),
    saturation_value: 65_534,
    sensor_material: "Si",
    sensor_thickness: new Float(450e-6),
    series_id: series,
    series_unique_id: UNIQUE,
    threshold_energy: { threshold_1: new Float(4250) },
    user_data: { scan: new Tagged(4_711, [1, "two"]) },
    virtual_pixel_interpolation_enabled: false,
    ...more,
  });
}

export function imageV2(series: number, image: number, data: object, more: object = {}): Uint8Array {
  return cbor({
    type: "image",
    data,
    image_id: image,
    real_time: [45_000, 50_000_000],
    series_date: new Tagged(0, "2026-06-24T14:48:46.000001Z"),
    series_id: series,
    series_unique_id: UNIQUE,
    start_time: [image * 50_000, 50_000_000],
    stop_time: [image * 50_000 + 45_000, 50_000_000],
    user_data: "",
    ...more,
  });
}

export function endV2(series: number): Uint8Array {
  return cbor({ type: "end", series_id: series, series_unique_id: UNIQUE });
}

const part = (value: unknown): Uint8Array => utf8.encode(JSON.stringify(value));

export function headerV1({ height, width, frames, series }: SeriesOf, detail: "none" | "basic" | "all"): Uint8Array[] {
  const first = part({ htype: "dheader-1.0", series, header_detail: detail });
  if (detail === "none") return [first];
  const config = {
    ...{ bit_depth_image: 16, compression: "bslz4", count_time: 9e-4, description: "Dectris Eiger 1M", detector_number: "E-02-0000" },
    ...{ frame_time: 1e-3, nimages: frames / 2, ntrigger: 2, x_pixels_in_detector: width, y_pixels_in_detector: height },
  };
  if (detail === "basic") return [first, part(config)];
  const pixels = height * width;
  return [
    ...[first, part(config)],
    ...[part({ htype: "dflatfield-1.0", shape: [width, height], type: "float32" }), new Uint8Array(4 * pixels)],
    ...[part({ htype: "dpixelmask-1.0", shape: [width, height], type: "uint32" }), new Uint8Array(4 * pixels)],
    ...[part({ htype: "dcountrate_table-1.0", shape: [2, 1000], type: "float32" }), new Uint8Array(8000)],
    part("an appendix"),
  ];
}

export type EncodingV1 = "lz4<" | "bs8-lz4<" | "bs16-lz4<" | "bs32-lz4<" | "<";

export function imageV1(series: number, frame: number, words: Words, height: number, width: number, encoding: EncodingV1): Uint8Array[] {
  const plain = bytesOf(words);
  const bits = /^bs(\d+)/.exec(encoding)?.[1];
  const blob = bits !== undefined ? bslz4Chunk(plain, Number(bits) / 8) : encoding === "<" ? plain : lz4Block(plain);
  const type = { 1: "uint8", 2: "uint16", 4: "uint32" }[words.BYTES_PER_ELEMENT];
  return [
    part({ htype: "dimage-1.0", series, frame, hash: "fc67f000d08fe6b380ea9434b8362d22" }),
    part({ htype: "dimage_d-1.0", shape: [width, height], type, encoding, size: blob.length }),
    blob,
    part({ htype: "dconfig-1.0", start_time: frame * 1_000_000, stop_time: frame * 1_000_000 + 900_000, real_time: 900_000 }),
    part({ note: "an appendix of the image" }),
  ];
}

export function endV1(series: number): Uint8Array[] {
  return [part({ htype: "dseries_end-1.0", series })];
}
