"""
A source of event blocks over websockets: a spool of bounded size, which receivers read from where they want as far as their credit goes. A detector does
not wait: what a receiver did not take before the spool dropped it becomes a record of dropped frames. docs/stream-protocol.md; a second implementation of
src/stream/sender.ts.
"""

import asyncio
from collections import deque
from typing import Any, Callable, Deque, NamedTuple, Optional, Set

from websockets.exceptions import ConnectionClosed

from . import event_blocks as blocks
from .errors import XpcsError


class _Held(NamedTuple):
    sequence: int
    first: int
    end: int
    message: bytes


class _Receiver:
    def __init__(self, ws: Any) -> None:
        self.ws = ws
        self.next = 1
        self.frame = 0
        self.credits = 0
        self.open = False
        self.woken = asyncio.Event()


class BlockSource:
    """Frames in, receivers out. All calls on one event loop."""

    def __init__(self, spool_bytes: int) -> None:
        self._spool_bytes = spool_bytes
        self._header: Optional[blocks.Header] = None
        self._ready = asyncio.Event()
        self._spool: Deque[_Held] = deque()
        self._bytes = 0
        self._sequence = 1
        self._receivers: Set[_Receiver] = set()
        self.frames = 0
        self.events = 0
        #: Nobody wants more: the last receiver that was there has asked for no more, or has all, and none has come since.
        self.stopped = False
        self._heard = asyncio.Event()

    def begin(self, header: blocks.Header) -> None:
        """Before the first frame; receivers that came already hear it now."""
        self._header = header
        self._ready.set()

    def add(self, frames: int, words: bytes) -> None:
        """Photons of the next frames."""
        self.events += len(words) // blocks.EVENT_BYTES
        self._add(frames, lambda sequence, counter: blocks.events_block(sequence, counter, frames, words))

    def lost(self, frames: int) -> None:
        """The next frames did not come from the detector."""
        self._add(frames, lambda sequence, counter: blocks.dropped_block(sequence, counter, frames, 1, blocks.DETECTOR))

    def end(self) -> None:
        """No more frames come; receivers that are behind still get what is held."""
        self._add(0, lambda sequence, _counter: blocks.end_block(sequence, self.frames, self.events))

    def _add(self, frames: int, make: Callable[[int, int], bytes]) -> None:
        message = make(self._sequence, self._counter_of(self.frames))
        while self._spool and self._bytes + len(message) > self._spool_bytes:
            self._bytes -= len(self._spool.popleft().message)
        self._spool.append(_Held(self._sequence, self.frames, self.frames + frames, message))
        self._bytes += len(message)
        self._sequence += 1
        self.frames += frames
        for receiver in self._receivers:
            receiver.woken.set()

    def _counter_of(self, frame: int) -> int:
        return (self._header.first_counter if self._header is not None else 0) + frame

    async def serve(self, ws: Any) -> None:
        """One receiver, until it goes."""
        receiver = _Receiver(ws)
        pump: Optional["asyncio.Task[None]"] = None
        try:
            await self._ready.wait()
            assert self._header is not None
            self._receivers.add(receiver)
            self.stopped = False
            self._heard.set()
            await ws.send(blocks.header_block(self._header))
            pump = asyncio.create_task(self._pump(receiver))
            async for message in ws:
                # One that has stopped is not there any more: what it sent since is for nobody.
                if receiver in self._receivers:
                    self._heard.set()
                    self._hear(receiver, blocks.read_message(message))
        except XpcsError as error:
            await ws.close(4000, error.message[:100])
        except ConnectionClosed:
            pass
        finally:
            self._receivers.discard(receiver)
            self._heard.set()
            if pump is not None:
                pump.cancel()

    def _hear(self, receiver: _Receiver, message: Any) -> None:
        if isinstance(message, blocks.Stop):
            self._receivers.discard(receiver)
            receiver.open = False
            self.stopped = not self._receivers
            return
        if isinstance(message, blocks.Open):
            if receiver.open or message.sequence > self._sequence or message.frame > self.frames:
                raise XpcsError("INVALID_ARGUMENT", f"block {message.sequence} at frame {message.frame} cannot be opened here")
            receiver.open = True
            receiver.next = max(1, message.sequence)
            first = self._first_of(receiver.next)
            receiver.frame = message.frame if first is None else first
            if receiver.frame != message.frame:
                raise XpcsError("NOT_FOUND", f"block {message.sequence} does not begin at frame {message.frame}")
        elif not receiver.open:
            raise XpcsError("INVALID_ARGUMENT", "the first message opens the stream")
        receiver.credits += message.credits
        if receiver.credits > blocks.CREDITS_MAX:
            raise XpcsError("INVALID_ARGUMENT", f"a receiver has at most {blocks.CREDITS_MAX} blocks of credit")
        receiver.woken.set()

    async def linger(self, silence_s: float) -> None:
        """Until nobody wants more, or no receiver came, went or was heard for so long."""
        while not self.stopped:
            self._heard.clear()
            try:
                await asyncio.wait_for(self._heard.wait(), silence_s)
            except asyncio.TimeoutError:
                return

    def _first_of(self, sequence: int) -> Optional[int]:
        """First frame of a block; None: it is not held any more."""
        if sequence >= self._sequence:
            return self.frames
        oldest = self._spool[0].sequence
        return None if sequence < oldest else self._spool[sequence - oldest].first

    async def _pump(self, receiver: _Receiver) -> None:
        while True:
            await receiver.woken.wait()
            receiver.woken.clear()
            while receiver.open and receiver.credits > 0 and receiver.next < self._sequence:
                receiver.credits -= 1
                await receiver.ws.send(self._next_for(receiver))

    def _next_for(self, receiver: _Receiver) -> bytes:
        oldest = self._spool[0]
        if receiver.next < oldest.sequence:
            reason = blocks.NOT_HELD if receiver.next == 1 else blocks.NO_CREDIT
            frames, stands_for = oldest.first - receiver.frame, oldest.sequence - receiver.next
            message = blocks.dropped_block(receiver.next, self._counter_of(receiver.frame), frames, stands_for, reason)
            receiver.next, receiver.frame = oldest.sequence, oldest.first
            return message
        held = self._spool[receiver.next - oldest.sequence]
        receiver.next, receiver.frame = held.sequence + 1, held.end
        return held.message
