"""Runs through examples/bluesky_submit.py, one function per test: ``bluesky_runs.py NAME ARGUMENTS_AS_JSON``. Prints lines of JSON."""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "examples"))

import bluesky_documents  # noqa: E402
import bluesky_submit  # noqa: E402
from xpcs_client import connect  # noqa: E402


def tell(value):
    print(json.dumps(value), flush=True)


def feed(submit_runs, documents):
    for name, doc in documents:
        submit_runs(name, doc)


def runs(url, token):
    """Runs that end well, badly, twice, in the way of old and of new detectors."""
    with connect(url, token) as central:
        submit_runs = bluesky_submit.SubmitRuns(central, qmap="/data/qmap.hdf", results="/results", options={"type": "both"}, experiment="2026-3/smith")
        streamed = bluesky_documents.run(
            ["/data/a 1.h5", "/data/notes.txt"], sample={"name": "silica\n1", "batch": 7}, xpcs={"options": {"frameTimeS": 2e-5}}
        )
        old = bluesky_documents.run(["/data/2026/b.h5", "/data/2026/c.h5"], streamed=False, sample="gel", xpcs={"qmap": "/data/other.hdf"})
        silent = bluesky_documents.run(["/data/d.imm"], streamed=False, says_run=False)
        aborted = bluesky_documents.run(["/data/e.h5"], exit_status="abort")
        empty = bluesky_documents.run([])
        for documents in (streamed, old, silent, aborted, empty, streamed):
            feed(submit_runs, documents)
        tell(submit_runs.drain(20))
        starts = [documents[0][1]["uid"] for documents in (streamed, old, silent)]
        tell(list(submit_runs.submitted) == starts)
        for uid in starts:
            for id in submit_runs.submitted[uid]:
                job = central.job(id)
                tell({"inputs": job["inputs"], "tags": {key: text for key, text in job["tags"].items() if key != "run"}, "run": job["tags"]["run"] == uid, "experiment": job["experiment"]})
        tell(len(central.jobs().jobs))
        bad = bluesky_documents.run(["/data/f.h5"], xpcs={"options": {"nonsense": 1}})
        feed(submit_runs, bad)
        tell([submit_runs.drain(20), [error.code for error in submit_runs.refused.values()]])


def away(url, token):
    """Central is away when the run ends: the callback answers at once all the same."""
    bluesky_submit._AGAIN_AFTER_S = 0.2
    with connect(url, token, patience_s=0.3) as central:
        submit_runs = bluesky_submit.SubmitRuns(central, qmap="/data/qmap.hdf", results="/results")
        tell("ready")
        sys.stdin.readline()
        begun = time.monotonic()
        feed(submit_runs, bluesky_documents.run(["/data/g.h5"]))
        tell({"at once": time.monotonic() - begun < 0.2, "drained": submit_runs.drain(1)})
        tell(submit_runs.drain(60))


def recorded(url, token):
    """The lines of a recording."""
    del url, token
    for document in bluesky_documents.run(["/data/h.bin"]):
        print(json.dumps(document))


if __name__ == "__main__":
    globals()[sys.argv[1]](**json.loads(sys.argv[2]))
