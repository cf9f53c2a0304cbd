"""
areaDetector's images as a stream: subscribes to an NTNDArray channel (NDPluginPva) through PvaPy and serves event blocks, which ``xpcs stream`` dials.

    python3 -m xpcs_client.pva_bridge 13SIM1:Pva1:Image --listen 7979

Frames are numbered by ``uniqueId``: numbers that do not come are recorded as lost, one that goes back ends the stream, because the detector has begun anew.
A channel gives its present value to whoever subscribes; that image is from before, and is passed over unread, whatever it is. Needs PvaPy (``pvaccess``), numpy and websockets.
"""

import argparse
import asyncio
import os
import signal
import sys
from typing import Any, Callable, Dict, List, Optional

import websockets

from .block_source import BlockSource
from .errors import XpcsError
from .event_blocks import Header
from .nt_ndarray import Frame, frame_of, has_image

#: Updates that PvaPy holds while the program works on one. A full queue is not polled: then the server drops images, which their numbers show.
_QUEUE = 1_000
#: After the end, without a word of any receiver: one that is behind asks for more, one that broke off may come again.
_LINGER_S = 30.0

Tell = Callable[[Dict[str, Any]], None]


class Series:
    """Updates in, frames of one acquisition out. Pure."""

    def __init__(self, source: BlockSource, channel: str, frame_time_s: float, frames_max: Optional[int]) -> None:
        self._source = source
        self._channel = channel
        self._frame_time_s = frame_time_s
        self._frames_max = frames_max
        self._shape: Optional[List[int]] = None
        self._next = 0
        self.unread = 0
        self.lost = 0

    def take(self, frame: Frame) -> bool:
        """
        :returns: whether more is wanted: not where the frames are enough, or the detector has begun anew
        :raises XpcsError: CORRUPT_DATA another shape than before
        """
        if self._shape is None:
            self._shape = [frame.rows, frame.columns]
            self._next = frame.unique_id
            self._source.begin(Header(frame.rows, frame.columns, self._frame_time_s, max(0, frame.unique_id), os.urandom(16), self._channel))
        if [frame.rows, frame.columns] != self._shape:
            raise XpcsError("CORRUPT_DATA", f"frame {frame.unique_id} is {frame.rows} x {frame.columns}, those before were {self._shape[0]} x {self._shape[1]}")
        if frame.unique_id == self._next - 1 and self._source.frames > 0:
            return True  # again: a channel that was away gives its present value
        if frame.unique_id < self._next:
            return False
        missed = frame.unique_id - self._next
        if missed > 0:
            self._source.lost(missed)
            self.lost += missed
        self._source.add(1, frame.words)
        self._next = frame.unique_id + 1
        self.unread += frame.unread
        return self._frames_max is None or self._source.frames < self._frames_max


class _Bridge:
    """Between PvaPy's thread and the event loop."""

    def __init__(self, series: Series, keep_first: bool) -> None:
        self.series = series
        self._passed = keep_first
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._loop.time()
        self._any = False
        #: Why it is over; with an error: it failed.
        self.over: "asyncio.Future[str]" = self._loop.create_future()

    def update(self, pv: Any) -> None:
        """Called by PvaPy, on a thread of its own; returns when the frame is taken, so that what waits stays bounded."""
        try:
            if not self._passed:
                self._passed = True
                return
            if not has_image(pv):
                return
            frame = frame_of(pv)
            asyncio.run_coroutine_threadsafe(self._take(frame), self._loop).result()
        except Exception as error:  # noqa: BLE001 - PvaPy prints and forgets what a subscriber raises
            self._loop.call_soon_threadsafe(self.finish, error)

    async def _take(self, frame: Frame) -> None:
        if self.over.done():
            return
        more = self.series.take(frame)
        self._heard_s, self._any = self._loop.time(), True
        if not more:
            self.finish("the frames are enough, or the detector has begun anew")

    def finish(self, why: Any) -> None:
        """Harmless when repeated."""
        if self.over.done():
            return
        if isinstance(why, BaseException):
            self.over.set_exception(why)
        else:
            self.over.set_result(why)

    async def idle(self, seconds: float) -> None:
        """Ends it when no image has come for so long after one had."""
        while not self.over.done():
            await asyncio.sleep(min(0.2, seconds))
            if self._any and self._loop.time() - self._heard_s >= seconds:
                self.finish(f"no update for {seconds:g} s")


async def _run(args: argparse.Namespace, tell: Tell) -> None:
    try:
        import pvaccess
    except ImportError as error:
        raise XpcsError("UNSUPPORTED", f"PvaPy is not here ({error}): conda install -c epics pvapy, or pip install pvapy") from None
    host, _, port = args.listen.rpartition(":")
    if not port.isdigit():
        raise OSError("give a port")
    source = BlockSource(int(args.spool_mb * 1e6))
    bridge = _Bridge(Series(source, args.channel, args.frame_time, args.frames), args.keep_first)
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, bridge.finish, "it was told to stop")
    serving = websockets.serve(source.serve, host or "127.0.0.1", int(port), compression=None, max_size=1024 * 1024)  # type: ignore[attr-defined]
    async with serving as server:
        bound = next(iter(server.sockets)).getsockname()
        tell({"listening": f"ws://{bound[0]}:{bound[1]}", "channel": args.channel})
        await _feed(pvaccess.Channel(args.channel), bridge, args, tell)
        source.end()
        await _linger(source)
        told = {"frames": source.frames, "events": source.events, "lost": bridge.series.lost, "unread": bridge.series.unread}
        tell({"ended": bridge.over.result(), **told})


async def _feed(channel: Any, bridge: _Bridge, args: argparse.Namespace, tell: Tell) -> None:
    """Updates until it is over.

    :raises XpcsError: what was wrong with one
    """
    channel.setMonitorMaxQueueLength(_QUEUE)
    channel.subscribe("xpcs", bridge.update)
    channel.startMonitor("")
    idle = asyncio.create_task(bridge.idle(args.idle)) if args.idle is not None else None
    try:
        await bridge.over
    finally:
        if idle is not None:
            idle.cancel()
        # On a thread: it waits for a subscriber that may be waiting for this loop.
        await asyncio.get_running_loop().run_in_executor(None, channel.stopMonitor)
        channel.unsubscribe("xpcs")


async def _linger(source: BlockSource) -> None:
    """Until receivers have all that is held: those that are there, or the first that comes; or until it is told to stop once more."""
    lingering = asyncio.ensure_future(source.linger(_LINGER_S))
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, lingering.cancel)
    await asyncio.wait([lingering])


def main(argv: Optional[List[str]] = None, tell: Optional[Tell] = None) -> int:
    """The program. :returns: its exit code: 0 the series has ended, 1 a frame could not be read, 2 it could not begin"""
    parser = argparse.ArgumentParser(prog="python3 -m xpcs_client.pva_bridge", description="areaDetector's images (NTNDArray over PVAccess) as a stream for xpcs stream.")
    parser.add_argument("channel", help="name of the NTNDArray channel, such as 13SIM1:Pva1:Image")
    parser.add_argument("--listen", default="127.0.0.1:7979", metavar="[HOST:]PORT", help="where xpcs stream dials (default: %(default)s)")
    parser.add_argument("--frame-time", type=float, default=0.0, metavar="S", help="seconds between frames, for receivers (default: not said)")
    parser.add_argument("--frames", type=int, metavar="N", help="end after so many, lost ones included")
    parser.add_argument("--idle", type=float, metavar="S", help="end when no update has come for so long (default: never)")
    parser.add_argument("--spool-mb", type=float, default=256.0, metavar="MB", help="what is held for receivers that are behind (default: %(default)s)")
    parser.add_argument("--keep-first", action="store_true", help="the channel's present image is one of the series")
    args = parser.parse_args(argv)
    say = tell if tell is not None else _print
    try:
        asyncio.run(_run(args, say))
    except XpcsError as error:
        say({"error": error.code, "message": error.message})
        return 2 if error.code == "UNSUPPORTED" and "PvaPy" in error.message else 1
    except OSError as error:
        say({"error": "IO_FAILED", "message": f"cannot listen on {args.listen}: {error}"})
        return 2
    return 0


def _print(told: Dict[str, Any]) -> None:
    print("  ".join(f"{key}: {value}" for key, value in told.items()), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
