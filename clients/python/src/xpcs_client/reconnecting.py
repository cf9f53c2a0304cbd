"""
Central across the loss of its link: dials again with jittered back-off, and repeats calls whose outcome is unknown. Every call of central is harmless
when repeated: a submission by its key, the others by what they do.
"""

import asyncio
import random
import time
from typing import Any, Awaitable, Callable, Optional

from .errors import XpcsError
from .link import Link

_BACKOFF_FIRST_S = 0.1
#: A restarted central is found again within about this time; many clients must not storm it.
_BACKOFF_MAX_S = 3.0


def _backoff_s(failures: int) -> float:
    """Half to all of an exponentially growing delay."""
    return min(_BACKOFF_FIRST_S * 2 ** min(failures, 10), _BACKOFF_MAX_S) * random.uniform(0.5, 1)


class Reconnecting:
    """Lives in one event loop.

    :param first: the link that is there already
    :param dial: opens and authenticates one link
    :param note: hears why the link was lost, or cannot be had again
    """

    def __init__(self, first: Link, dial: Callable[[], Awaitable[Link]], note: Callable[[str], None]) -> None:
        self._dial = dial
        self._note = note
        self._current: Optional[Link] = first
        self._last = XpcsError("UNAVAILABLE", "no connection yet")
        self._end: Optional[XpcsError] = None
        self._changed = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep_up())

    async def call(self, method: str, request: Any, patience_s: Optional[float]) -> Any:
        """Repeats the call while its error says that repeating is right.

        :param patience_s: how long; None: for ever
        :raises XpcsError: what central answers · UNAVAILABLE patience ended, with the last reason · why dialling has become pointless
        """
        started = time.monotonic()
        failures = 0
        while True:
            if self._end is not None:
                raise self._end
            left_s = None if patience_s is None else patience_s - (time.monotonic() - started)
            if self._current is None:
                if left_s is not None and left_s <= 0:
                    raise XpcsError("UNAVAILABLE", self._last.message)
                await self._change(left_s)
                continue
            try:
                return await self._current.call(method, request)
            except XpcsError as error:
                if not error.repeatable or (left_s is not None and left_s <= 0):
                    raise
            failures += 1
            pause_s = _backoff_s(failures)
            await asyncio.sleep(pause_s if left_s is None else min(pause_s, left_s))

    async def close(self) -> None:
        """Ends all calls with UNAVAILABLE."""
        current = self._current
        self._finish(XpcsError("UNAVAILABLE", "the client was closed"))
        self._keeper.cancel()
        if current is not None:
            await current.close()

    async def _keep_up(self) -> None:
        failures = 0
        while self._end is None:
            try:
                if self._current is None:
                    self._current = await self._dial()
                failures = 0
                self._notify()
                self._last = await asyncio.shield(self._current.closed)
                self._current = None
                if self._end is None:
                    self._note(f"link lost: {self._last.message}")
            except XpcsError as error:
                self._last = error
                if not error.repeatable:
                    return self._finish(error)
                if failures == 0:
                    self._note(f"central cannot be reached: {error}")
                failures += 1
            except Exception as error:  # noqa: BLE001 - a token function may raise anything
                return self._finish(XpcsError("INTERNAL", f"no new link: {error}"))
            await asyncio.sleep(_backoff_s(failures))

    def _finish(self, reason: XpcsError) -> None:
        if self._end is not None:
            return
        self._end = reason
        self._current = None
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, limit_s: Optional[float]) -> None:
        """Returns when something may have changed, or time is over."""
        try:
            await asyncio.wait_for(self._changed.wait(), limit_s)
        except asyncio.TimeoutError:
            pass
