"""
Jobs as plain dictionaries: what is submitted, and what central shows. Fields have the names that they have everywhere in xpcs (docs/cli.md,
``/openapi.json`` of central); times are ISO 8601 in UTC.
"""

import os
import sys
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union, cast

if sys.version_info >= (3, 11):
    from typing import NotRequired, TypedDict
else:  # pragma: no cover - older Pythons have no word for a field that may be absent
    from typing import TypedDict

    NotRequired = Optional

PathLike = Union[str, "os.PathLike[str]"]

#: States that a job leaves only by ``retry``.
FINAL_STATES = ("finished", "failed", "canceled")


class JobSpec(TypedDict):
    """What is submitted."""

    #: The app with its files and options: ``corr_job``, ``command_job``.
    work: Dict[str, Any]
    tags: Dict[str, str]
    #: Attempts before the job fails for good.
    attemptsMax: int
    #: ``CYCLE/NAME``
    experiment: NotRequired[str]
    #: Ids of jobs that must end first; ``#n`` is the n-th job of the same submission, from 0.
    parents: NotRequired[List[str]]
    #: ``fail`` or ``run``
    onParentFailure: NotRequired[str]
    #: -1000 to 1000; higher comes first.
    priority: NotRequired[int]
    #: A job that no site has begun by then fails.
    deadline: NotRequired[str]
    retryDelayMs: NotRequired[int]
    #: slots, cores, memoryGb, gpus, nodes, walltimeS
    resources: NotRequired[Dict[str, float]]
    #: Name of the policy that chooses its site; absent: central's.
    policy: NotRequired[str]
    #: The one site that may run it.
    site: NotRequired[str]
    #: Bytes of all that it reads; for estimates alone.
    inputBytes: NotRequired[int]


class OutputFile(TypedDict):
    path: str
    bytes: int
    sha256: str


class Attempt(TypedDict):
    site: str
    epoch: int
    startedAt: str
    finishedAt: NotRequired[str]
    #: running, finished, failed, lost, returned or canceled
    outcome: str
    code: NotRequired[str]
    reason: NotRequired[str]
    #: It began beside another attempt, in case it answers sooner.
    duplicate: NotRequired[bool]


class JobView(TypedDict):
    """A job as central shows it."""

    id: str
    app: str
    owner: Optional[str]
    type: str
    #: awaiting-parents, ready, staged-in, running, staged-out, finished, failed or canceled
    state: str
    #: Why it is in this state.
    reason: Optional[str]
    since: str
    site: Optional[str]
    #: Why this site.
    why: Optional[str]
    epoch: int
    attempts: List[Attempt]
    inputs: List[str]
    outputs: List[OutputFile]
    experiment: str
    parents: List[str]
    onParentFailure: str
    priority: int
    deadline: Optional[str]
    resources: Dict[str, float]
    attemptsMax: int
    tags: Dict[str, str]
    #: 0 to 1
    progress: Optional[float]
    submittedAt: str
    startedAt: Optional[str]
    finishedAt: Optional[str]
    archived: bool


class SiteView(TypedDict):
    """A site as central shows it; newer centrals may tell more."""

    name: str
    #: up, silent, draining, probation, down or gone
    state: str
    reason: Optional[str]
    slots: int
    capacity: Optional[Dict[str, Any]]
    apps: List[str]
    running: int
    host: str
    lastSeenAt: str
    finishedJobs: int
    meanRunS: Optional[float]
    stageInBytesPerS: Optional[float]
    stageOutBytesPerS: Optional[float]
    selfTest: Optional[Dict[str, Any]]
    #: The one that is in force, or the next one.
    downtime: Optional[Dict[str, Any]]
    probation: Optional[Dict[str, Any]]
    facility: Optional[Dict[str, Any]]


class Page(NamedTuple):
    """A part of a listing, newest first; ``next`` is the cursor of the following page, None after the last."""

    jobs: List[JobView]
    next: Optional[str]


class Changes(NamedTuple):
    """Jobs that changed, and the cursor to ask for later changes with."""

    cursor: str
    jobs: List[JobView]


class Canceled(NamedTuple):
    canceled: List[str]
    already_final: List[str]


def _file(path: PathLike) -> Dict[str, str]:
    return {"path": os.path.abspath(os.fspath(path))}


def _spec(work: Dict[str, Any], tags: Optional[Mapping[str, str]], attempts_max: int, more: Mapping[str, Any]) -> JobSpec:
    return cast(JobSpec, {"work": work, "tags": dict(tags or {}), "attemptsMax": attempts_max, **more})


def corr_job(
    input: PathLike,
    qmap: PathLike,
    out: PathLike,
    *,
    options: Optional[Mapping[str, Any]] = None,
    overwrite: bool = False,
    metadata: Optional[PathLike] = None,
    parts: Sequence[PathLike] = (),
    tags: Optional[Mapping[str, str]] = None,
    attempts_max: int = 3,
    **more: Any,
) -> JobSpec:
    """A correlation: what ``xpcs corr`` does with one file.

    :param out: the result file; a path is seen from here, and must be the same, or known by a location, at the sites
    :param options: such as ``{"frameTimeS": 2e-5, "type": "both"}``: the fields of ``options`` in ``/openapi.json``
    :param parts: files that belong to the input: the other modules of a Rigaku 3M, the data files of an HDF5 master
    :param more: fields of ``JobSpec``, such as ``experiment`` or ``priority``
    """
    work: Dict[str, Any] = {
        "app": "xpcs.corr",
        "input": _file(input),
        "qmap": _file(qmap),
        "out": _file(out),
        "overwrite": overwrite,
        "options": dict(options or {}),
    }
    if metadata is not None:
        work["metadata"] = _file(metadata)
    if parts:
        work["parts"] = [_file(part) for part in parts]
    return _spec(work, tags, attempts_max, more)


def command_job(
    app: str,
    *,
    parameters: Optional[Mapping[str, Union[str, float, bool]]] = None,
    inputs: Optional[Mapping[str, PathLike]] = None,
    outputs: Optional[Mapping[str, PathLike]] = None,
    overwrite: bool = False,
    tags: Optional[Mapping[str, str]] = None,
    attempts_max: int = 3,
    **more: Any,
) -> JobSpec:
    """A command that sites allow by name (docs/apps.md); files by the name of their parameter."""
    work = {
        "app": app,
        "parameters": dict(parameters or {}),
        "inputs": {name: _file(path) for name, path in (inputs or {}).items()},
        "outputs": {name: _file(path) for name, path in (outputs or {}).items()},
        "overwrite": overwrite,
    }
    return _spec(work, tags, attempts_max, more)
