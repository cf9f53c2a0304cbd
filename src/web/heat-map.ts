/**
 * Draws a grid of values with WebGL2, one texel per value, so that a map of 5000 x 5000 moves smoothly; seen from afar means of blocks, at most four
 * texels for a pixel. Bins can be outlined. Knows nothing of the page.
 */
import { type Grid, levelsOf } from "./levels.js";

export interface View {
  /** Place of the corner that has the least column and row, and size, of what is shown, in values. */
  readonly from: readonly [x: number, y: number];
  readonly size: readonly [width: number, height: number];
  /** Ends of the colour scale. */
  readonly low: number;
  readonly high: number;
  /** Colours by the logarithm. */
  readonly log: boolean;
}

export interface HeatMap {
  /** What is drawn from now on. */
  load(grid: Grid): void;
  draw(view: View): void;
  /** For good: a canvas whose context is given back cannot be drawn on again. */
  free(): void;
}

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1));
  gl_Position = vec4(2.0 * corner - 1.0, 0.0, 1.0);
}`;
// Nearest value of a level: a value is a value, not a mean of two. Bins are looked up as they are, also from afar.
const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
uniform highp sampler2D values;
uniform highp sampler2D scale;
uniform highp usampler2D labels;
uniform vec2 from, size, side, pixel;
uniform float block, low, high;
uniform bool mirrored, down, logarithmic, outlined;
out vec4 colour;
// Of the middle of a pixel of the screen, by the same sum for whoever asks, so that neighbours agree on where a border is.
vec2 at(vec2 middle) {
  vec2 place = middle * pixel;
  return floor(from + vec2(place.x, down ? 1.0 - place.y : place.y) * size);
}
uint labelAt(vec2 middle) {
  return texelFetch(labels, ivec2(clamp(at(middle), vec2(0.0), side - 1.0)), 0).r;
}
void main() {
  vec2 here = at(gl_FragCoord.xy);
  if (any(lessThan(here, vec2(0.0))) || any(greaterThanEqual(here, side))) { colour = vec4(0.0); return; }
  ivec2 cell = ivec2(floor(here / block));
  if (mirrored) cell = ivec2(max(cell.x, cell.y), min(cell.x, cell.y));
  float value = texelFetch(values, min(cell, textureSize(values, 0) - 1), 0).r;
  if (outlined) {
    uint own = labelAt(gl_FragCoord.xy);
    if (own != labelAt(gl_FragCoord.xy + vec2(1.0, 0.0)) || own != labelAt(gl_FragCoord.xy + vec2(0.0, 1.0))) { colour = vec4(1.0); return; }
  }
  if (!(value == value)) { colour = vec4(0.5, 0.5, 0.5, 1.0); return; }
  float part = logarithmic ? (value > 0.0 ? log(value / low) / log(high / low) : 0.0) : (value - low) / (high - low);
  colour = texelFetch(scale, ivec2(int(clamp(part, 0.0, 1.0) * 255.0), 0), 0);
}`;

/** Points of viridis (Smith and van der Walt, CC0), equally spaced. */
const VIRIDIS = [0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725];
/** Texels for a pixel of the screen, along a side, above which a coarser level is drawn. */
const TEXELS_MAX = 2;

/** The colours as CSS has them, from low to high. */
export const SCALE_CSS: readonly string[] = VIRIDIS.map((colour) => `#${colour.toString(16).padStart(6, "0")}`);

/** [256, 4] bytes. */
function colourScale(): Uint8Array {
  const bytes = new Uint8Array(256 * 4);
  for (let at = 0; at < 256; at += 1) {
    const place = (at / 255) * (VIRIDIS.length - 1);
    const [left, right] = [VIRIDIS[Math.floor(place)]!, VIRIDIS[Math.ceil(place)]!];
    for (let channel = 0; channel < 3; channel += 1) {
      const shift = 16 - 8 * channel;
      const [a, b] = [(left >> shift) & 255, (right >> shift) & 255];
      bytes[4 * at + channel] = Math.round(a + (b - a) * (place % 1));
    }
    bytes[4 * at + 3] = 255;
  }
  return bytes;
}

/** Ends of a colour scale that few values are beyond, from a sample. @param positive of those above 0 alone, for a logarithmic scale, and of an image with masked pixels */
export function usualRange({ width, height, values, mirrored }: Grid, positive: boolean): readonly [low: number, high: number] {
  const sample: number[] = [];
  const step = Math.max(1, Math.floor(Math.max(width, height) / 300));
  for (let row = 0; row < height; row += step)
    // The diagonal of a matrix is left out: that of C2 holds the shot noise.
    for (let column = mirrored === true ? row + 1 : 0; column < width; column += step) {
      const value = values[row * width + column]!;
      if (Number.isFinite(value) && (!positive || value > 0)) sample.push(value);
    }
  if (sample.length === 0) return positive ? [1, 10] : [0, 1];
  sample.sort((a, b) => a - b);
  const at = (part: number): number => sample[Math.min(sample.length - 1, Math.floor(part * sample.length))]!;
  const [low, high] = [at(0.01), at(0.99)];
  return high > low ? [low, high] : [low, positive ? 2 * low : low + 1];
}

function compile(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram()!;
  for (const [kind, text] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true) throw new Error(`WebGL: ${gl.getProgramInfoLog(program)}`);
  return program;
}

interface Level {
  readonly texture: WebGLTexture;
  readonly step: number;
}

/** Of a canvas as long as it is shown. @throws this browser has no WebGL2 */
export function createHeatMap(canvas: HTMLCanvasElement): HeatMap {
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  if (gl === null) throw new Error("this browser has no WebGL 2, which draws the map");
  const sideMax = gl.getParameter(gl.MAX_TEXTURE_SIZE) as number;
  const program = compile(gl);
  gl.useProgram(program);
  const texture = (
    ...[internal, columns, rows, format, type, data]: [number, number, number, number, number, ArrayBufferView]
  ): WebGLTexture => {
    const made = gl.createTexture()!;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, made);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, columns, rows, 0, format, type, data);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    return made;
  };
  const place = (name: string) => gl.getUniformLocation(program, name);
  const [from, size, pixel, block, low, high, log] = ["from", "size", "pixel", "block", "low", "high", "logarithmic"].map(place);
  const bind = (unit: number, what: WebGLTexture, name: string) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, what);
    gl.uniform1i(place(name), unit);
  };
  bind(1, texture(gl.RGBA8, 256, 1, gl.RGBA, gl.UNSIGNED_BYTE, colourScale()), "scale");
  let levels: Level[] = [];
  let bins: WebGLTexture | null = null;
  return {
    load(grid) {
      const { width, height, labels } = grid;
      for (const old of [bins, ...levels.map((level) => level.texture)]) gl.deleteTexture(old);
      levels = [];
      // One at a time: of each the numbers are let go when the next is made.
      for (const level of levelsOf(grid))
        if (Math.max(level.width, level.height) <= sideMax)
          levels.push({ texture: texture(gl.R32F, level.width, level.height, gl.RED, gl.FLOAT, level.values), step: level.step });
      const outlined = labels != null && Math.max(width, height) <= sideMax;
      bins = outlined
        ? texture(gl.R32UI, width, height, gl.RED_INTEGER, gl.UNSIGNED_INT, labels)
        : texture(gl.R32UI, 1, 1, gl.RED_INTEGER, gl.UNSIGNED_INT, new Uint32Array(1));
      bind(2, bins, "labels");
      gl.uniform2f(place("side"), width, height);
      gl.uniform1i(place("mirrored"), Number(grid.mirrored === true));
      gl.uniform1i(place("down"), Number(grid.down === true));
      gl.uniform1i(place("outlined"), Number(outlined));
    },
    draw(view) {
      const perPixel = view.size[0] / canvas.width;
      const level = levels.find((one) => perPixel / one.step <= TEXELS_MAX) ?? levels.at(-1);
      if (level === undefined) return;
      gl.viewport(0, 0, canvas.width, canvas.height);
      bind(0, level.texture, "values");
      gl.uniform1f(block!, level.step);
      gl.uniform2f(from!, ...view.from);
      gl.uniform2f(size!, ...view.size);
      gl.uniform2f(pixel!, 1 / canvas.width, 1 / canvas.height);
      gl.uniform1f(low!, view.low);
      gl.uniform1f(high!, view.high);
      gl.uniform1i(log!, Number(view.log));
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    },
    free: () => gl.getExtension("WEBGL_lose_context")?.loseContext(),
  };
}
