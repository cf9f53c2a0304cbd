"""
Submits a correlation when a Bluesky run has ended well: a callback for the documents of the run engine. Needs xpcs_client (docs/python.md) and nothing of
Bluesky, whose documents are dictionaries::

    from bluesky_submit import SubmitRuns
    submit_runs = SubmitRuns(connect(), qmap="/data/qmap.hdf", results="/results", experiment="2026-3/smith")
    RE.subscribe(submit_runs)
    RE(count([detector], num=1), sample="silica", xpcs={"options": {"frameTimeS": 2e-5}})
    submit_runs.drain(60)

A run may say ``xpcs={"qmap": ..., "results": ..., "options": {...}}`` in its metadata, which comes before what the callback was made with.

Runs that were recorded, one ``["NAME", DOCUMENT]`` a line, are submitted by: python3 bluesky_submit.py QMAP RESULTS < runs.jsonl
"""

import json
import logging
import queue
import sys
import threading
import time
from pathlib import PurePosixPath
from typing import Any, Callable, Dict, List, NamedTuple, Optional
from urllib.parse import unquote, urlsplit

from xpcs_client import Client, JobSpec, XpcsError, connect, corr_job

_logger = logging.getLogger("bluesky_submit")
#: Files of detectors, by the end of their name.
_DETECTOR_FILES = (".bin", ".imm", ".h5", ".hdf5", ".hdf", ".nxs")
_TAG_CHARS_MAX = 256
_AGAIN_AFTER_S = 5.0


def is_detector_file(path: str) -> bool:
    """True for a file that can be correlated, by its name."""
    return path.endswith(_DETECTOR_FILES)


def path_of(name: str, doc: Dict[str, Any]) -> Optional[str]:
    """Where the file of a ``resource`` or ``stream_resource`` is; None: not in a file system that sites know."""
    if "uri" in doc:
        uri = urlsplit(doc["uri"])
        return unquote(uri.path) if uri.scheme == "file" else None
    if doc.get("path_semantics") == "windows":
        return None
    return str(PurePosixPath(doc.get("root") or "/", doc["resource_path"].lstrip("/") if doc.get("root") else doc["resource_path"]))


def _tags(start: Dict[str, Any]) -> Dict[str, str]:
    sample = start.get("sample")
    if isinstance(sample, dict):
        sample = sample.get("name")
    found = {"run": start["uid"], "scan": start.get("scan_id"), "plan": start.get("plan_name"), "sample": sample}
    plain = {key: "".join(c for c in str(value) if c.isprintable())[:_TAG_CHARS_MAX] for key, value in found.items() if value is not None}
    return {key: text for key, text in plain.items() if text}


class _Run(NamedTuple):
    start: Dict[str, Any]
    files: List[str]


class SubmitRuns:
    """The callback. It never holds up the run engine: a thread of its own submits, and goes on trying while central is away.

    :param qmap: for runs that name none
    :param results: folder of the result files, ``STEM_results.hdf``
    :param options: of the correlations, such as ``{"type": "both"}``
    :param experiment: ``CYCLE/NAME``
    :param pick: which of a run's files are correlated
    """

    def __init__(
        self,
        central: Client,
        qmap: str,
        results: str,
        *,
        options: Optional[Dict[str, Any]] = None,
        experiment: Optional[str] = None,
        pick: Callable[[str], bool] = is_detector_file,
    ) -> None:
        self._central = central
        self._defaults: Dict[str, Any] = {"qmap": qmap, "results": results, "options": options or {}}
        self._more: Dict[str, Any] = {} if experiment is None else {"experiment": experiment}
        self._pick = pick
        self._runs: Dict[str, _Run] = {}
        self._waiting: "queue.Queue[tuple[str, List[JobSpec]]]" = queue.Queue()
        #: Ids of the jobs, by the uid of their run.
        self.submitted: Dict[str, List[str]] = {}
        #: Runs that central refused, and why.
        self.refused: Dict[str, XpcsError] = {}
        threading.Thread(target=self._submit_all, name="bluesky-submit", daemon=True).start()

    def __call__(self, name: str, doc: Dict[str, Any]) -> None:
        """Takes a document of the run engine."""
        if name == "start":
            self._runs[doc["uid"]] = _Run(doc, [])
        elif name in ("resource", "stream_resource"):
            run = self._run_of(doc)
            path = path_of(name, doc)
            if run is not None and path is not None and path not in run.files and self._pick(path):
                run.files.append(path)
        elif name == "stop":
            run = self._runs.pop(doc["run_start"], None)
            if run is None:
                return
            if doc["exit_status"] == "success" and run.files:
                self._waiting.put((run.start["uid"], self._jobs(run)))
            else:
                _logger.info("nothing to correlate of run %s: %s, %d files", doc["run_start"], doc["exit_status"], len(run.files))

    def drain(self, timeout_s: float) -> bool:
        """Waits until all runs so far are submitted or refused; False: not within the time."""
        end = time.monotonic() + timeout_s
        while self._waiting.unfinished_tasks > 0 and time.monotonic() < end:
            time.sleep(0.05)
        return self._waiting.unfinished_tasks == 0

    def _run_of(self, doc: Dict[str, Any]) -> Optional[_Run]:
        if doc.get("run_start") is not None:
            return self._runs.get(doc["run_start"])
        # Old documents do not say: it is clear where there is one run.
        return next(iter(self._runs.values())) if len(self._runs) == 1 else None

    def _jobs(self, run: _Run) -> List[JobSpec]:
        said = run.start.get("xpcs") or {}
        wish: Dict[str, Any] = {**self._defaults, **said, "options": {**self._defaults["options"], **said.get("options", {})}}
        return [
            corr_job(
                path,
                wish["qmap"],
                PurePosixPath(wish["results"], f"{PurePosixPath(path).stem}_results.hdf"),
                options=wish["options"],
                tags=_tags(run.start),
                **self._more,
            )
            for path in run.files
        ]

    def _submit_all(self) -> None:
        while True:
            uid, jobs = self._waiting.get()
            while uid not in self.submitted and uid not in self.refused:
                try:
                    # The same documents again make no second job.
                    self.submitted[uid] = self._central.submit(jobs, key=f"bluesky {uid}")
                except XpcsError as error:
                    if error.repeatable:
                        _logger.warning("run %s waits for central: %s", uid, error)
                        time.sleep(_AGAIN_AFTER_S)
                    else:
                        _logger.error("run %s is not submitted: %s", uid, error)
                        self.refused[uid] = error
            self._waiting.task_done()


def main(qmap: str, results: str) -> int:
    """Submits recorded runs; prints the jobs of each. 1: central refused one."""
    with connect() as central:
        submit_runs = SubmitRuns(central, qmap, results)
        for line in sys.stdin:
            submit_runs(*json.loads(line))
        while not submit_runs.drain(3600):
            pass
        for uid, ids in submit_runs.submitted.items():
            print(uid, *ids)
        for uid, error in submit_runs.refused.items():
            print(f"{uid}: {error}", file=sys.stderr)
        return 1 if submit_runs.refused else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python3 bluesky_submit.py QMAP RESULTS < runs.jsonl")
    sys.exit(main(*sys.argv[1:]))
