/**
 * Draws a square matrix with WebGL2, one texel per value, so that a map of 5000 x 5000 moves smoothly; of a larger one every n-th value. The matrix
 * has its upper half (t1 <= t2); the lower is its mirror. Knows nothing of the page.
 */
import type { Matrix } from "./result.js";

export interface View {
  /** Place and size of what is shown, in values. */
  readonly from: readonly [number, number];
  readonly size: number;
  /** Ends of the colour scale. */
  readonly low: number;
  readonly high: number;
}

export interface HeatMap {
  draw(view: View): void;
  free(): void;
}

const VERTEX = `#version 300 es
out vec2 place;
void main() {
  vec2 corner = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1));
  place = corner;
  gl_Position = vec4(2.0 * corner - 1.0, 0.0, 1.0);
}`;
// Age upward and to the right, as in every drawing of C2. Nearest value: a value is a value, not a mean of two.
const FRAGMENT = `#version 300 es
precision highp float;
uniform highp sampler2D values;
uniform highp sampler2D scale;
uniform vec2 from;
uniform float size, side, low, high;
in vec2 place;
out vec4 colour;
void main() {
  vec2 at = floor(from + place * size);
  if (any(lessThan(at, vec2(0.0))) || any(greaterThanEqual(at, vec2(side)))) { colour = vec4(0.0); return; }
  float value = texelFetch(values, ivec2(max(at.x, at.y), min(at.x, at.y)), 0).r;
  if (!(value == value)) { colour = vec4(0.5, 0.5, 0.5, 1.0); return; }
  float part = clamp((value - low) / (high - low), 0.0, 1.0);
  colour = texelFetch(scale, ivec2(int(part * 255.0), 0), 0);
}`;

/** Points of viridis (Smith and van der Walt, CC0), equally spaced. */
const VIRIDIS = [0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725];

/** [256, 4] bytes. */
export function colourScale(): Uint8Array {
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

/** Ends of a colour scale that few values are beyond, from a sample of those above the diagonal. */
export function usualRange({ side, values }: Matrix): readonly [low: number, high: number] {
  const sample: number[] = [];
  const step = Math.max(1, Math.floor(side / 300));
  for (let t1 = 0; t1 < side; t1 += step)
    for (let t2 = t1 + 1; t2 < side; t2 += step) {
      const value = values[t1 * side + t2]!;
      if (Number.isFinite(value)) sample.push(value);
    }
  if (sample.length === 0) return [0, 1];
  sample.sort((a, b) => a - b);
  const at = (part: number): number => sample[Math.min(sample.length - 1, Math.floor(part * sample.length))]!;
  const [low, high] = [at(0.01), at(0.99)];
  return high > low ? [low, high] : [low, low + 1];
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

/** Every n-th value, so that a side is at most `sideMax`. */
function thinned({ side, values }: Matrix, sideMax: number): { side: number; step: number; values: Float32Array } {
  const step = Math.ceil(side / sideMax);
  if (step === 1) return { side, step, values: values instanceof Float32Array ? values : Float32Array.from(values) };
  const small = Math.floor(side / step);
  const kept = new Float32Array(small * small);
  for (let row = 0; row < small; row += 1)
    for (let column = row; column < small; column += 1) kept[row * small + column] = values[row * step * side + column * step]!;
  return { side: small, step, values: kept };
}

/** @throws this browser has no WebGL2 */
export function createHeatMap(canvas: HTMLCanvasElement, matrix: Matrix): HeatMap {
  const gl = canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
  if (gl === null) throw new Error("this browser has no WebGL 2, which draws the map");
  const { side, step, values } = thinned(matrix, gl.getParameter(gl.MAX_TEXTURE_SIZE) as number);
  const program = compile(gl);
  const texture = (unit: number, internal: number, width: number, height: number, format: number, type: number, data: ArrayBufferView) => {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, format, type, data);
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
  };
  texture(0, gl.R32F, side, side, gl.RED, gl.FLOAT, values);
  texture(1, gl.RGBA8, 256, 1, gl.RGBA, gl.UNSIGNED_BYTE, colourScale());
  const place = (name: string) => gl.getUniformLocation(program, name);
  gl.useProgram(program);
  gl.uniform1i(place("values"), 0);
  gl.uniform1i(place("scale"), 1);
  gl.uniform1f(place("side"), side);
  const [from, size, low, high] = [place("from"), place("size"), place("low"), place("high")];
  return {
    draw(view) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.uniform2f(from, view.from[0] / step, view.from[1] / step);
      gl.uniform1f(size, view.size / step);
      gl.uniform1f(low, view.low);
      gl.uniform1f(high, view.high);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    },
    free: () => gl.getExtension("WEBGL_lose_context")?.loseContext(),
  };
}
