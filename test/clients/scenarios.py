"""
What a program does with central through the Python client, one function per test: ``scenarios.py NAME ARGUMENTS_AS_JSON``. Prints lines of JSON, and waits
for a line on stdin where the test has something to do meanwhile.
"""

import concurrent.futures
import json
import sys
import threading
import time

from errors_of import code_of
from xpcs_client import Client, command_job, connect


def tell(value):
    print(json.dumps(value), flush=True)


def wait_for_go():
    sys.stdin.readline()


def noop(duration_ms=1, **more):
    return {"work": {"app": "xpcs.noop", "durationMs": duration_ms}, "tags": {}, "attemptsMax": 3, **more}


def everyday(url, token):
    """Each call once, as its docstring says."""
    with connect(url, token) as central:
        [one] = central.submit(noop(tags={"n": "one"}, priority=3, inputBytes=5_000_000_123))
        changes = []
        [job] = central.wait(one, on_change=changes.append)
        tell({"state": job["state"], "site": job["site"], "tags": job["tags"], "priority": job["priority"], "last": changes[-1] == job})
        told = central.explain(one)
        tell({"job": told["job"] == one, "site": told["site"], "why": told["why"] != "", "happened": told["happened"]["ms"] > 0})
        tell([site["name"] for site in central.sites()])

        key = "the same jobs once"
        many = [noop(tags={"at": str(at)}) for at in range(20)]
        first, again = central.submit(many, key), central.submit(many, key)
        tell({"same": first == again, "conflict": code_of(lambda: central.submit(many[1:], key))})
        central.wait(first)

        held = central.submit([noop(site="nowhere", tags={"kind": "held"}) for _ in range(5)], "held")
        page = central.jobs(tags={"kind": "held"}, limit=2)
        rest = central.jobs(tags={"kind": "held"}, limit=500, after=page.next)
        tell({"page": [job["id"] for job in page.jobs] == held[:2:-1], "rest": [job["id"] for job in rest.jobs] == held[2::-1], "next": rest.next})
        tell({"ready": len(central.jobs(states=["ready"]).jobs), "limited": len(list(central.list(limit=3, states=["ready"])))})
        tell({"modified": central.modify(held[0], {"priority": 9, "deadline": None}) == [held[0]], "priority": central.job(held[0])["priority"]})
        canceled = central.cancel(held)
        tell({"canceled": len(canceled.canceled), "again": len(central.cancel(held).canceled), "final": len(central.cancel(one).already_final)})
        central.modify(held[1], {"tags": {"kind": "kept"}})
        tell({"retry": central.retry(held[0]) == [held[0]], "state": central.job(held[0])["state"]})
        central.cancel(held[0])
        tell(
            [
                code_of(lambda: central.job("nothing")),
                code_of(lambda: central.cancel(["nothing"])),
                code_of(lambda: central.wait([one, "nothing"])),
                code_of(lambda: central.submit(noop(attemptsMax=0))),
                code_of(lambda: central.submit(noop(tags={"a": object()}))),
                code_of(lambda: central.changes("no cursor")),
                code_of(lambda: central.modify(one, {"priority": 2})),
                code_of(lambda: central.jobs(limit=5000)),
                code_of(lambda: central.wait(central.submit(noop(site="nowhere")), timeout_s=0.5)),
            ]
        )
        cursor = central.changes().cursor
        [seen] = central.submit(noop(site="nowhere"))
        tell([job["id"] == seen for job in central.changes(cursor).jobs])
        tell(next(central.watch(cursor))["id"] == seen)
    tell(code_of(lambda: central.jobs()))


def logs(url, token):
    with connect(url, token) as central:
        [job] = central.submit(command_job("says", parameters={"text": "héllo"}))
        followed = "".join(central.logs(job, follow=True))
        central.wait(job)
        tell({"followed": followed, "again": "".join(central.logs(job)), "err": "".join(central.logs(job, stream="stderr", attempt=1, offset=1))})


def live(url, token):
    """A stream that runs, as its site tells of it."""
    with connect(url, token) as central:
        [job] = central.submit(noop())
        tell(job)
        for snapshot in central.live(job):
            tell(snapshot)
        tell("ended")
        tell(code_of(lambda: next(central.live("nothing"))))


def big(url, token, jobs):
    """A submission of several calls with parents across them, a listing of many pages, and a wait for all."""
    with connect(url, token) as central:
        specs = [noop(tags={"at": str(at)}, **({"parents": ["#0", f"#{at - 1}"]} if at == jobs - 1 else {})) for at in range(jobs)]
        ids = central.submit(specs, "big")
        listed = list(central.list(experiment="local/default"))
        tell({"ids": len(set(ids)), "order": [job["id"] for job in listed] == ids[::-1]})
        tell({"tags": all(job["tags"]["at"] == str(jobs - 1 - at) for at, job in enumerate(listed))})
        tell(central.job(ids[-1])["parents"] == [ids[0], ids[-2]])
        done = central.wait(ids)
        tell({"finished": sum(job["state"] == "finished" for job in done), "in order": [job["id"] for job in done] == ids})


def submits_through_a_fault(url, token, key, jobs):
    """Submits when told to; the link fails meanwhile."""
    with connect(url, token, patience_s=60) as central:
        tell("ready")
        wait_for_go()
        ids = central.submit([noop(tags={"at": str(at)}) for at in range(jobs)], key)
        tell(ids)


def waits_through_a_fault(url, token):
    """Waits for a job, and watches with a cursor from before, while central or the link is away."""
    with connect(url, token) as central:
        cursor = central.changes().cursor
        [job] = central.submit(noop(tags={"kind": "awaited"}, site="later"))
        tell(job)
        [ended] = central.wait(job)
        seen = [change["id"] for change in central.changes(cursor).jobs]
        tell({"state": ended["state"], "seen": job in seen})


def impatient(url, token):
    """A call while nobody is there ends with its patience."""
    with connect(url, token, patience_s=1) as central:
        tell("ready")
        wait_for_go()
        begun = time.monotonic()
        code = code_of(central.sites)
        tell({"code": code, "soon": time.monotonic() - begun < 20})
        tell(code_of(lambda: central.wait("x", timeout_s=0.5)))


def refused(url, token):
    tell(code_of(lambda: connect(url, token)))


def trusts(url, token, pin, wrong, ca):
    tell(
        [
            code_of(lambda: connect(url, token, pin=pin).close()),
            code_of(lambda: connect(url, token, pin=wrong)),
            code_of(lambda: connect(url, token)),
            code_of(lambda: connect(url, token, ca=ca).close()),
            code_of(lambda: connect(url, token, ca="no certificate")),
            code_of(lambda: connect(url.replace("wss", "ws"), token)),
        ]
    )


def token_ends(url, token):
    """The token is revoked while the client is connected."""
    with connect(url, lambda: token, patience_s=5) as central:
        tell(code_of(central.sites))
        wait_for_go()
        end = time.monotonic() + 20
        while code_of(central.sites) is None and time.monotonic() < end:
            time.sleep(0.05)
        tell(code_of(central.sites))
        tell(code_of(lambda: central.wait("x")))


def expires(url, token):
    warned = threading.Event()
    left = []
    with connect(url, token, on_expiring=lambda left_s: (left.append(left_s), warned.set())):
        tell({"warned": warned.wait(5), "hours": round(left[0] / 3600)})


def hostile(url, token):
    """Central answers each call with something else; what comes of it is an error, in time."""
    with connect(url, token, patience_s=0.2) as central:
        begun = time.monotonic()
        code = code_of(central.sites)
        tell({"code": code, "soon": time.monotonic() - begun < 12})


def crowd(url, token, threads):
    """More calls at a time than a link may have unanswered."""
    with connect(url, token) as central:
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(lambda _: len(central.sites()), range(3 * threads)))
        tell(len(answers))


def closed_meanwhile(url, token):
    """``close`` in one thread ends what another one waits for."""
    central: Client = connect(url, token)
    codes = []
    waiting = threading.Thread(target=lambda: codes.append(code_of(lambda: next(central.watch()))))
    waiting.start()
    time.sleep(0.3)
    central.close()
    central.close()
    waiting.join(10)
    tell({"codes": codes, "alive": waiting.is_alive(), "threads": [thread.name for thread in threading.enumerate() if thread.name == "xpcs-client"]})


if __name__ == "__main__":
    globals()[sys.argv[1]](**json.loads(sys.argv[2]))
