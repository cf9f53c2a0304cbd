"""A submission that is larger than one call: cut always the same way, so that a repeat under the same key makes the same calls."""

import json
import re
from typing import List, Sequence, cast

from .jobs import JobSpec

#: Jobs of one call, and the characters of their JSON: keeps a request under the frame limit, at 3 bytes a character.
JOBS_MAX = 500
CHARS_MAX = 300_000

_PLACE = re.compile(r"#(\d+)")


def in_chunks(jobs: Sequence[JobSpec]) -> List[List[JobSpec]]:
    """The jobs of each call."""
    chunks: List[List[JobSpec]] = []
    chars = 0
    for job in jobs:
        size = len(json.dumps(job, ensure_ascii=False, separators=(",", ":"), default=str))
        if not chunks or len(chunks[-1]) >= JOBS_MAX or chars + size > CHARS_MAX:
            chunks.append([])
            chars = 0
        chunks[-1].append(job)
        chars += size
    return chunks


def names_places(job: JobSpec) -> bool:
    """True for a job with a parent of the same submission."""
    return any(_PLACE.fullmatch(str(parent)) for parent in job.get("parents", ()))


def with_known_parents(job: JobSpec, ids: Sequence[str]) -> JobSpec:
    """Parents by their place (``#n``) as the calls so far have made them: their ids, or their place within the next call."""
    if "parents" not in job:
        return job

    def known(parent: str) -> str:
        place = _PLACE.fullmatch(str(parent))
        if place is None:
            return parent
        at = int(place.group(1))
        return ids[at] if at < len(ids) else f"#{at - len(ids)}"

    return cast(JobSpec, {**job, "parents": [known(parent) for parent in job["parents"]]})
