/**
 * The link of a site on virtual time: some transfers at a time, each with the files of some jobs, which share the bandwidth evenly as far as each can
 * use its share. A job's files are there when the whole transfer is, as with a transfer service.
 */
import type { EventHeap } from "./event-heap.js";
import type { LinkModel } from "./shift.js";

/** A job whose files are to come. */
export interface Wanted {
  /** More than none. */
  readonly bytes: number;
  readonly setUpMs: number;
  readonly rateBytesPerMs: number;
  /** Given up: it is left out, and not told. */
  gone: boolean;
  /** With which it moves; absent: it does not yet. */
  transfer?: Transfer | undefined;
  readonly done: () => void;
}

interface Transfer {
  wanted: readonly Wanted[];
  /** Bytes still to move. */
  left: number;
  readonly capBytesPerMs: number;
  rate: number;
}

const isWanted = ({ wanted }: Transfer): boolean => wanted.some(({ gone }) => !gone);
const bytesOf = (wanted: readonly Wanted[]): number => wanted.reduce((sum, { bytes }) => sum + bytes, 0);

/** Leaves out what nobody wants any more: its share of what is left. */
function leaveOut(transfer: Transfer): void {
  const { wanted } = transfer;
  if (!wanted.some(({ gone }) => gone)) return;
  transfer.wanted = wanted.filter(({ gone }) => !gone);
  transfer.left *= bytesOf(transfer.wanted) / bytesOf(wanted);
}

export class SiteTransfers {
  readonly #heap: EventHeap;
  readonly #now: () => number;
  readonly #link: LinkModel;
  readonly #onRoom: () => void;
  #waiting: Wanted[] = [];
  #waitingBytes = 0;
  /** Of the last one that was wanted; 0: none was. */
  #lastBytes = 0;
  /** Those whose bytes move. */
  #moving: Transfer[] = [];
  /** Those that are set up or move. */
  #open = 0;
  #movedMs = 0;
  /** Makes the end that was expected before void. */
  #turn = 0;
  /** Makes what was set up before a drop void. */
  #life = 0;
  #willLook = false;
  #stalled = false;

  /** @param onRoom told when one is over, so that there may be room for others */
  constructor(heap: EventHeap, now: () => number, link: LinkModel, onRoom: () => void) {
    this.#heap = heap;
    this.#now = now;
    this.#link = link;
    this.#onRoom = onRoom;
    for (const { fromMs, untilMs } of link.stalls ?? []) {
      if (untilMs <= now()) continue;
      heap.add(Math.max(fromMs, now()), () => this.#stall(true));
      heap.add(untilMs, () => this.#stall(false));
    }
  }

  #stall(stalled: boolean): void {
    this.#advance();
    this.#stalled = stalled;
    this.#share();
  }

  want(wanted: Wanted): void {
    this.#waiting.push(wanted);
    this.#waitingBytes += wanted.bytes;
    this.#lastBytes = wanted.bytes;
    this.#look();
  }

  /** Jobs more that may come, taken to be as large as the last one. */
  get room(): number {
    const { transfersMax, jobsPerTransfer, bytesPerTransfer = Number.POSITIVE_INFINITY } = this.#link;
    if (bytesPerTransfer === Number.POSITIVE_INFINITY) return bytesPerTransfer;
    const free = transfersMax - this.#open;
    const jobs = free * jobsPerTransfer - this.#waiting.length;
    if (this.#lastBytes === 0) return jobs;
    return Math.max(0, Math.min(jobs, Math.ceil((free * bytesPerTransfer - this.#waitingBytes) / this.#lastBytes)));
  }

  /** Until these files are there at the rate at which they come, ms; null: they do not move yet. */
  leftMs(wanted: Wanted): number | null {
    const { transfer } = wanted;
    if (transfer === undefined || transfer.rate === 0) return null;
    this.#advance();
    return transfer.left / transfer.rate;
  }

  /** Everything that waits or moves is over, and nobody is told. */
  drop(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#moving = [];
    this.#open = 0;
    this.#turn += 1;
    this.#life += 1;
  }

  /** Gives up what nobody wants any more. */
  forget(): void {
    this.#advance();
    const kept = this.#moving.filter(isWanted);
    this.#open -= this.#moving.length - kept.length;
    this.#moving = kept;
    if (this.#link.whole !== true) for (const transfer of kept) leaveOut(transfer);
    this.#share();
    if (this.#link.lookMs === 0) this.#begin();
    this.#onRoom();
  }

  /** At once, when all of this moment has come; or at the next beat. */
  #look(): void {
    if (this.#willLook) return;
    this.#willLook = true;
    const { lookMs } = this.#link;
    const now = this.#now();
    const atMs = lookMs > 0 ? (Math.floor(now / lookMs) + 1) * lookMs : now;
    this.#heap.add(atMs, () => {
      this.#willLook = false;
      this.#begin();
      if (lookMs > 0 && this.#waiting.length > 0) this.#look();
    });
  }

  #begin(): void {
    const { transfersMax, jobsPerTransfer, ofTransfer } = this.#link;
    const now = this.#now();
    let nth = 0;
    while (this.#waiting.length > 0 && this.#open < transfersMax) {
      const taken = this.#waiting.splice(0, jobsPerTransfer);
      for (const { bytes } of taken) this.#waitingBytes -= bytes;
      const wanted = taken.filter(({ gone }) => !gone);
      const [first] = wanted;
      if (first === undefined) continue;
      this.#open += 1;
      const left = bytesOf(wanted);
      const { setUpMs, rateBytesPerMs } = ofTransfer?.(now, nth) ?? first;
      nth += 1;
      const transfer: Transfer = { wanted, left, capBytesPerMs: rateBytesPerMs, rate: 0 };
      const life = this.#life;
      this.#heap.add(now + setUpMs, () => {
        if (life === this.#life) this.#move(transfer);
      });
    }
  }

  #move(transfer: Transfer): void {
    this.#advance();
    this.#moving.push(transfer);
    for (const wanted of transfer.wanted) wanted.transfer = transfer;
    if (isWanted(transfer)) this.#share();
    else this.forget();
  }

  /** Moves bytes up to now. */
  #advance(): void {
    const spanMs = this.#now() - this.#movedMs;
    if (spanMs === 0) return;
    this.#movedMs = this.#now();
    for (const transfer of this.#moving) transfer.left = Math.max(0, transfer.left - spanMs * transfer.rate);
  }

  /** Even shares, and what one cannot use goes to the others; then the next end. */
  #share(): void {
    let free = this.#stalled ? 0 : this.#link.bytesPerMs;
    let others = this.#moving.length;
    for (const transfer of [...this.#moving].sort((a, b) => a.capBytesPerMs - b.capBytesPerMs)) {
      transfer.rate = Math.min(transfer.capBytesPerMs, free / others);
      if (free !== Number.POSITIVE_INFINITY) free -= transfer.rate;
      others -= 1;
    }
    const turn = ++this.#turn;
    let endMs = Number.POSITIVE_INFINITY;
    for (const { left, rate } of this.#moving) endMs = Math.min(endMs, this.#now() + left / rate);
    if (endMs !== Number.POSITIVE_INFINITY)
      this.#heap.add(endMs, () => {
        if (turn === this.#turn) this.#end();
      });
  }

  #end(): void {
    this.#advance();
    const isOver = ({ left, rate }: Transfer) => left <= rate * 1e-6;
    const over = this.#moving.filter(isOver);
    this.#moving = this.#moving.filter((transfer) => !isOver(transfer));
    this.#open -= over.length;
    this.#share();
    for (const { wanted } of over)
      for (const one of wanted) {
        one.transfer = undefined;
        if (!one.gone) one.done();
      }
    if (this.#link.lookMs === 0) this.#begin();
    if (over.length > 0) this.#onRoom();
  }
}
