"""
Jobs of a central, from Python: submit, look, wait, change, cancel. Calls block; they may come from several threads at a time. A thread of its own keeps the
link, so central hears from this program also while that computes.
"""

import asyncio
import concurrent.futures
import logging
import threading
import time
import uuid
from collections import deque
from typing import Any, Callable, Coroutine, Deque, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union, cast

from .errors import XpcsError
from .jobs import FINAL_STATES, Canceled, Changes, JobSpec, JobView, Page, SiteView
from .link import LONG_POLL_S, Link, Way, open_link
from .reconnecting import Reconnecting
from .settings import find_settings
from .submission import in_chunks, names_places, with_known_parents
from .version import VERSION

T = TypeVar("T")

#: Most jobs in one page of a listing.
PAGE_JOBS_MAX = 500
#: Submit calls on their way at a time: central decides on one while others travel.
SUBMITS_IN_FLIGHT = 4
_WARNINGS_S = (12 * 3600, 2 * 3600)
_LONG_POLL_MS = int(LONG_POLL_S * 1000)

#: Filters of a listing by their names here, and on the wire.
_FILTERS = {
    "states": "states",
    "tags": "tags",
    "experiment": "experiment",
    "app": "app",
    "site": "site",
    "owner": "owner",
    "parent": "parent",
    "submitted_after": "submittedAfter",
    "submitted_before": "submittedBefore",
    "ids": "ids",
    "archived": "archived",
}

_logger = logging.getLogger("xpcs_client")


def _query(filters: Mapping[str, Any]) -> Dict[str, Any]:
    unknown = sorted(set(filters) - set(_FILTERS))
    if unknown:
        raise TypeError(f"there is no filter {', '.join(unknown)}: there are {', '.join(_FILTERS)}")
    return {_FILTERS[name]: value for name, value in filters.items() if value is not None}


def _left_s(end: Optional[float]) -> Optional[float]:
    return None if end is None else end - time.monotonic()


class Client:
    """A connected client; ``connect`` makes it. Every call survives a restart of central: it reconnects, and repeats what is harmless to repeat.

    Errors are ``XpcsError``. Each call may raise UNAVAILABLE, once central has been away for ``patience_s``, and PERMISSION_DENIED, once the token has ended.
    """

    def __init__(
        self, way: Way, token: Union[str, Callable[[], str]], patience_s: float, on_expiring: Optional[Callable[[float], None]]
    ) -> None:
        self._way = way
        self._token = token
        self._patience_s = patience_s
        self._on_expiring = on_expiring
        self._warnings: List[asyncio.TimerHandle] = []
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="xpcs-client", daemon=True)
        self._thread.start()
        try:
            # The first dial is made here, so that a wrong address fails at once instead of being tried for ever.
            self._central: Reconnecting = self._result(self._start(self._begin()))
        except BaseException:
            self._stop_loop()
            raise

    # -- what is submitted ---------------------------------------------------------------------------------------------------------------

    def submit(self, jobs: Union[JobSpec, Sequence[JobSpec]], key: Optional[str] = None) -> List[str]:
        """Submits one job, or many.

        :param key: the same key and jobs make the same jobs once, however often they are submitted: give one to resume after a crash of this
            program. 1 to 128 printable ASCII characters, fewer by 5 for more than 500 jobs; default: a random one
        :returns: their ids, in the order of the jobs
        :raises XpcsError: KEY_CONFLICT · INVALID_ARGUMENT · OVERLOADED · UNAVAILABLE
        """
        specs: List[JobSpec] = [cast(JobSpec, jobs)] if isinstance(jobs, Mapping) else list(jobs)
        key = key or str(uuid.uuid4())
        chunks = in_chunks(specs)
        ids: List[str] = []
        going: Deque["concurrent.futures.Future[Any]"] = deque()
        for at, chunk in enumerate(chunks):
            # A parent by its place may be in any call before.
            in_flight_max = 0 if any(names_places(job) for job in chunk) else SUBMITS_IN_FLIGHT - 1
            while len(going) > in_flight_max:
                ids += self._result(going.popleft())["jobs"]
            request = {"key": key if len(chunks) == 1 else f"{key}.{at}", "jobs": [with_known_parents(job, ids) for job in chunk]}
            going.append(self._start(self._central.call("submit", request, self._patience_s)))
        while going:
            ids += self._result(going.popleft())["jobs"]
        return ids

    # -- what is there -------------------------------------------------------------------------------------------------------------------

    def jobs(self, *, limit: int = PAGE_JOBS_MAX, after: Optional[str] = None, **filters: Any) -> Page:
        """One page, newest first.

        :param limit: at most 500; a page may have fewer, and others after it
        :param after: ``next`` of the page before
        :param filters: states, tags, experiment, app, site (of the latest attempt), owner, parent, submitted_after, submitted_before (ISO 8601, UTC),
            ids, archived (jobs of the archive, in place of the others)
        """
        query: Dict[str, Any] = {**_query(filters), "limit": limit}
        if after is not None:
            query["after"] = after
        answer = self._call("jobs", query)
        return Page(answer["jobs"], answer["next"])

    def list(self, limit: Optional[int] = None, **filters: Any) -> Iterator[JobView]:
        """All jobs that match, newest first, page after page as they are taken; filters as of ``jobs``."""
        after: Optional[str] = None
        left = limit
        while left is None or left > 0:
            page = self.jobs(limit=PAGE_JOBS_MAX if left is None else min(left, PAGE_JOBS_MAX), after=after, **filters)
            yield from page.jobs
            after = page.next
            if after is None:
                return
            left = None if left is None else left - len(page.jobs)

    def job(self, id: str) -> JobView:
        """
        :raises XpcsError: NOT_FOUND
        """
        return self._call("job", {"id": id})

    def explain(self, id: str) -> Dict[str, Any]:
        """Why a job is, or goes, where it does: site, policy, why, what is expected of each site, what was promised and, afterwards, what happened.

        :raises XpcsError: NOT_FOUND
        """
        return self._call("explain", {"id": id})

    def sites(self) -> List[SiteView]:
        """All sites that central knows."""
        return self._call("sites", {})["sites"]

    def logs(self, id: str, *, stream: str = "stdout", attempt: Optional[int] = None, offset: int = 0, follow: bool = False) -> Iterator[str]:
        """What an attempt of a job has written, in parts as they come.

        :param stream: ``stdout`` or ``stderr``
        :param attempt: its epoch; default: the latest
        :param offset: byte to begin with
        :param follow: until the attempt ends
        :raises XpcsError: NOT_FOUND
        """
        while True:
            request: Dict[str, Any] = {"id": id, "stream": stream, "offset": offset, "waitMs": _LONG_POLL_MS if follow else 0}
            if attempt is not None:
                request["epoch"] = attempt
            part = self._call("logs", request, None if follow else self._patience_s)
            if part["text"]:
                yield part["text"]
            offset = part["next"]
            # The attempt that was found first is followed to its end, not its successor. 0: there is none yet.
            if part["epoch"] > 0:
                attempt = part["epoch"]
            if part["ended"] or (not follow and not part["text"]):
                return

    def live(self, id: str) -> Iterator[Dict[str, Any]]:
        """What is known of a stream that runs as a job (docs/streaming.md): g2, fits and counts, whenever they are new, until the job has ended.

        :raises XpcsError: NOT_FOUND
        """
        cursor: Optional[str] = None
        while True:
            part = self._call("live", {"id": id, "cursor": cursor, "waitMs": _LONG_POLL_MS}, None)
            if part["live"] is not None:
                yield part["live"]
            cursor = part["cursor"]
            if part["ended"]:
                return

    # -- what changes --------------------------------------------------------------------------------------------------------------------

    def changes(self, cursor: Optional[str] = None, *, wait_s: float = LONG_POLL_S) -> Changes:
        """Jobs that changed after ``cursor``: at once if there are any, else when there are or after ``wait_s`` (at most 10).

        A cursor stays good when central is restarted: nothing that changed is left out. Keep it to go on later.

        :param cursor: None: answers with the present cursor and no jobs
        :raises XpcsError: INVALID_ARGUMENT central knows no such cursor
        """
        return self._changes(cursor, wait_s, self._patience_s)

    def watch(self, cursor: Optional[str] = None) -> Iterator[JobView]:
        """Every change of any job, from ``cursor`` (default: from now) on, for ever; central may go away and come back meanwhile."""
        while True:
            cursor, jobs = self._changes(cursor, LONG_POLL_S, None)
            yield from jobs

    def wait(
        self, ids: Union[str, Sequence[str]], *, on_change: Optional[Callable[[JobView], None]] = None, timeout_s: Optional[float] = None
    ) -> List[JobView]:
        """Waits until all jobs are finished, failed or canceled; central may go away and come back meanwhile.

        :param on_change: called, in this thread, with each job when it is first seen and whenever it changes
        :param timeout_s: None: for ever
        :returns: the jobs in the order of ``ids``
        :raises XpcsError: NOT_FOUND · DEADLINE_EXCEEDED after ``timeout_s``; the jobs go on
        """
        asked = [ids] if isinstance(ids, str) else list(ids)
        wanted = set(asked)
        seen: Dict[str, JobView] = {}
        end = None if timeout_s is None else time.monotonic() + timeout_s

        def note(job: JobView) -> None:
            if job["id"] in wanted and seen.get(job["id"]) != job:
                seen[job["id"]] = job
                if on_change is not None:
                    on_change(job)

        cursor: Optional[str] = None
        while wanted:
            try:
                if cursor is None:
                    # From here on no change is missed.
                    cursor = self._changes(None, 0, _left_s(end)).cursor
                    for job in self._found(asked, _left_s(end)):
                        note(job)
                else:
                    left_s = _left_s(end)
                    cursor, jobs = self._changes(cursor, LONG_POLL_S if left_s is None else min(LONG_POLL_S, max(left_s, 0)), left_s)
                    for job in jobs:
                        note(job)
            except XpcsError as error:
                if error.repeatable and end is not None and time.monotonic() >= end:
                    raise XpcsError("DEADLINE_EXCEEDED", f"central cannot be reached: {error.message}") from None
                # A cursor that central no longer knows: begin again.
                if cursor is None or error.code != "INVALID_ARGUMENT":
                    raise
                cursor = None
            if len(seen) == len(wanted) and all(job["state"] in FINAL_STATES for job in seen.values()):
                break
            if end is not None and time.monotonic() >= end:
                open_ = sum(job["state"] not in FINAL_STATES for job in seen.values())
                raise XpcsError("DEADLINE_EXCEEDED", f"{open_} of {len(wanted)} jobs have not ended within {timeout_s} s; they go on")
        return [seen[id] for id in asked]

    def cancel(self, ids: Union[str, Sequence[str]]) -> Canceled:
        """
        :raises XpcsError: NOT_FOUND one of the ids
        """
        answer = self._call("cancel", {"ids": _ids(ids)})
        return Canceled(answer["canceled"], answer["alreadyFinal"])

    def modify(self, ids: Union[str, Sequence[str]], changes: Mapping[str, Any]) -> List[str]:
        """Changes what jobs ask for; what runs goes on as it was. All or none.

        :param changes: tags, priority, deadline, attemptsMax, retryDelayMs, onParentFailure, resources, site; None takes deadline or site away
        :raises XpcsError: NOT_FOUND · REFUSED a final job takes tags only
        """
        return self._call("modify", {"ids": _ids(ids), "changes": dict(changes)})["modified"]

    def retry(self, ids: Union[str, Sequence[str]], *, children: bool = False) -> List[str]:
        """Lets failed and canceled jobs begin anew, with ``children`` also those below them. All or none.

        :returns: those that wait again
        :raises XpcsError: NOT_FOUND · REFUSED one is finished, or its parent has failed
        """
        return self._call("retry", {"ids": _ids(ids), "children": children})["retried"]

    # -- its life ------------------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends calls that still wait with UNAVAILABLE. Harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        try:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        except concurrent.futures.TimeoutError:
            pass
        self._stop_loop()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _changes(self, cursor: Optional[str], wait_s: float, patience_s: Optional[float]) -> Changes:
        answer = self._call("changes", {"cursor": cursor, "waitMs": max(0, int(wait_s * 1000))}, patience_s)
        return Changes(answer["cursor"], answer["jobs"])

    def _found(self, ids: Sequence[str], patience_s: Optional[float]) -> Iterator[JobView]:
        for at in range(0, len(ids), PAGE_JOBS_MAX):
            missing = dict.fromkeys(ids[at : at + PAGE_JOBS_MAX])
            # What is not in the live listing is in the archive, or there is no such job.
            for archived in (False, True):
                after: Optional[str] = None
                asked = list(missing)
                while asked:
                    query = {"ids": asked, "archived": archived, **({} if after is None else {"after": after})}
                    page = self._call("jobs", query, patience_s)
                    for job in page["jobs"]:
                        missing.pop(job["id"], None)
                        yield job
                    after = page["next"]
                    if after is None:
                        break
            for id in missing:
                yield self._call("job", {"id": id}, patience_s)

    def _call(self, method: str, request: Any, patience_s: Any = ...) -> Any:
        patience = self._patience_s if patience_s is ... else patience_s
        return self._result(self._start(self._central.call(method, request, patience)))

    def _start(self, work: "Coroutine[Any, Any, T]") -> "concurrent.futures.Future[T]":
        if self._closed:
            work.close()
            raise XpcsError("UNAVAILABLE", "the client was closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _result(self, future: "concurrent.futures.Future[T]") -> T:
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise XpcsError("UNAVAILABLE", "the client was closed") from None
        except BaseException:
            # Ctrl-C: nobody waits for the answer any more.
            future.cancel()
            raise

    async def _begin(self) -> Reconnecting:
        first = await self._dial()
        return Reconnecting(first, self._dial, _logger.warning)

    async def _dial(self) -> Link:
        token = self._token() if callable(self._token) else self._token
        link, welcome = await open_link(self._way, token, VERSION)
        self._warn_later(welcome.get("expiresInMs"))
        return link

    def _warn_later(self, expires_in_ms: Optional[float]) -> None:
        for warning in self._warnings:
            warning.cancel()
        self._warnings = []
        if self._on_expiring is None or not isinstance(expires_in_ms, (int, float)):
            return
        left_s = expires_in_ms / 1000
        due = [before_s for before_s in _WARNINGS_S if left_s <= before_s]
        at: List[Tuple[float, float]] = [(left_s - before_s, before_s) for before_s in _WARNINGS_S if left_s > before_s]
        if due:
            at.append((0, left_s))
        for delay_s, rest_s in at:
            self._warnings.append(self._loop.call_later(delay_s, self._on_expiring, rest_s))

    async def _end(self) -> None:
        for warning in self._warnings:
            warning.cancel()
        await self._central.close()
        # Whoever waits for an answer hears that there is none.
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait(others, timeout=1) if others else None
        for task in others:
            task.cancel()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()


def _ids(ids: Union[str, Sequence[str]]) -> List[str]:
    return [ids] if isinstance(ids, str) else list(ids)


def connect(
    url: Optional[str] = None,
    token: Union[str, Callable[[], str], None] = None,
    *,
    ca: Optional[str] = None,
    pin: Optional[str] = None,
    insecure: bool = False,
    patience_s: float = 30,
    on_expiring: Optional[Callable[[float], None]] = None,
) -> Client:
    """Connects to a central, through the proxy that ``https_proxy`` and ``no_proxy`` name.

    :param url: such as ``wss://host:7878``; default, as of the token, ca and pin: what the commands take, from ``XPCS_CENTRAL``, ``XPCS_TOKEN`` ... or
        ``~/.config/xpcs/client.json``
    :param token: a function is asked again for each connection, so that a new one needs no restart
    :param ca: for ``wss://``: certificates (PEM) of authorities to trust, in place of the system's
    :param pin: for ``wss://``: the one key that central may have, ``sha256/...``
    :param insecure: allow a plain ``ws://`` off this machine, which shows the token to the network
    :param patience_s: how long a call waits for a central that went away; ``wait`` and ``watch`` wait for ever
    :param on_expiring: called, in a thread of its own, 12 h and 2 h before the token ends with the seconds that are left
    :raises XpcsError: UNAVAILABLE nobody answers there · PERMISSION_DENIED the token, or who answers · VERSION_MISMATCH · INVALID_ARGUMENT · REFUSED plain off
        loopback
    """
    if url is None or token is None:
        found = find_settings(url, token if isinstance(token, str) else None)
        # An address from elsewhere brings its own trust along.
        if url is None:
            ca, pin, insecure = ca or found.ca, pin or found.pin, insecure or found.insecure
        url, token = found.central, token or found.token
    return Client(Way(url, ca, pin, insecure), token, patience_s, on_expiring)
