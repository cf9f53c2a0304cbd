/**
 * Question: what do comlink, its guard, deadlines and checks cost a control call, against msgpack over ws and no more? Two processes each, the same
 * call, the same corking, in turns.
 */
import { spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { Packr } from "msgpackr";
import { WebSocket } from "ws";
import { LIMITS } from "../../src/core/limits.js";
import { realClock } from "../../src/core/real-clock.js";
import { connect } from "../../src/wire/connect.js";
import { openWebSocket } from "../../src/wire/websocket-client.js";
import { spreadOf } from "../judge.js";
import { firstLine } from "./processes.js";
import { type Measured, measuredOf } from "./row.js";
import type { Place } from "./rows.js";
import { CALL_METHODS, type Calls, corkedSend, RENEWAL } from "./rpc-shared.js";

type Call = () => Promise<unknown>;

interface Peer {
  readonly call: Call;
  close(): void;
}

const PEER = fileURLToPath(new URL("./rpc-peer.js", import.meta.url));

async function guardedClient(port: string): Promise<Peer> {
  const link = await openWebSocket(`ws://127.0.0.1:${port}`, { clock: realClock });
  const { remote, close } = connect<Calls>(link, CALL_METHODS, { clock: realClock });
  return { call: () => remote.renew(RENEWAL), close };
}

async function rawClient(port: string): Promise<Peer> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false });
  let stream: Duplex | null = null;
  socket.once("upgrade", (response) => {
    stream = response.socket;
  });
  await new Promise((resolve) => socket.once("open", resolve));
  const send = corkedSend(socket, stream!);
  const packr = new Packr({ useRecords: false });
  const waiting = new Map<number, (value: unknown) => void>();
  socket.on("message", (data: Buffer) => {
    const { id, value } = packr.unpack(data) as { id: number; value: unknown };
    waiting.get(id)?.(value);
    waiting.delete(id);
  });
  let last = 0;
  const call = () =>
    new Promise((resolve) => {
      last += 1;
      waiting.set(last, resolve);
      send(packr.pack({ id: last, method: "renew", request: RENEWAL }));
    });
  return { call, close: () => socket.terminate() };
}

async function startPeer(kind: "guarded" | "raw"): Promise<Peer> {
  const child = spawn(process.execPath, [PEER, kind], { stdio: ["ignore", "pipe", "inherit"] });
  const { port = "" } = await firstLine(child, `the ${kind} peer`);
  const client = await (kind === "raw" ? rawClient(port) : guardedClient(port));
  return {
    call: client.call,
    close() {
      client.close();
      child.kill("SIGKILL");
    },
  };
}

/** Calls/s with as many on their way as a link allows. */
async function pipelined(call: Call, ms: number): Promise<number> {
  const from = performance.now();
  let calls = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() - from < ms) {
      await call();
      calls += 1;
    }
  };
  await Promise.all(Array.from({ length: LIMITS.inFlightMax }, worker));
  return (1_000 * calls) / (performance.now() - from);
}

/** Median time of one call at a time, us. */
async function roundTrip(call: Call, ms: number): Promise<number> {
  const end = performance.now() + ms;
  const times: number[] = [];
  while (performance.now() < end) {
    const from = performance.now();
    await call();
    times.push(1_000 * (performance.now() - from));
  }
  return spreadOf(times).median;
}

/** Our cost over the raw one, from the pair of each round. */
async function compare(
  place: Place,
  measure: (call: Call, ms: number) => Promise<number>,
  over: (ours: number, raw: number) => number,
  text: (ours: number, raw: number) => string,
): Promise<Measured> {
  const [ours, raw] = [await startPeer("guarded"), await startPeer("raw")];
  try {
    const roundMs = Math.max(200, 1_500 * place.scale);
    for (const { call } of [ours, raw]) await measure(call, roundMs);
    const pairs: [number, number][] = [];
    for (let round = 0; round < 2 * place.runs; round += 1)
      pairs.push([await measure(ours.call, roundMs), await measure(raw.call, roundMs)]);
    const of = (which: 0 | 1) => spreadOf(pairs.map((pair) => pair[which])).median;
    return measuredOf(
      pairs.map(([a, b]) => over(a, b)),
      text(of(0), of(1)),
    );
  } finally {
    ours.close();
    raw.close();
  }
}

/** Raw calls/s over ours. */
export function measureCalls(place: Place): Promise<Measured> {
  const text = (ours: number, raw: number) => `${Math.round(ours)} calls/s, raw ${Math.round(raw)}; ${LIMITS.inFlightMax} on their way`;
  return compare(place, pipelined, (ours, raw) => raw / ours, text);
}

/** Our median round trip over the raw one. */
export function measureRoundTrip(place: Place): Promise<Measured> {
  const text = (ours: number, raw: number) => `${ours.toFixed(0)} us, raw ${raw.toFixed(0)} us`;
  return compare(place, roundTrip, (ours, raw) => ours / raw, text);
}
