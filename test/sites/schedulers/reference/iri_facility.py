"""A facility for the reference implementation of the IRI Facility API (doe-iri/iri-facility-api-python): processes of this machine as jobs, and its files.

The server is theirs, so requests are judged by their code; what it asks a facility for is answered here. Started by hand, outside of this project, as
docs/schedulers/iri.md says; XPCS_TEST_IRI then makes the suite run against it. IRI_TEST_STATE is a folder with the token in the file `token`.
"""
import base64
import os
import pathlib
import signal
import subprocess
import threading
import time

from app.idempotency import IdempotencyStore
from app.routers.compute import facility_adapter as compute_facility, models as compute
from app.routers.filesystem import facility_adapter as files_facility, models as files
from app.routers.status import facility_adapter as status_facility, models as status
from app.routers.task import facility_adapter as task_facility, models as tasks
from app.types.user import User
from fastapi import HTTPException

STATE = pathlib.Path(os.environ["IRI_TEST_STATE"])
RESOURCES = ["test-machine", "test-storage"]
GRACE_S = 2.0
JOBS: dict[str, "Process"] = {}
TASKS: dict[str, tasks.Task] = {}


class Process:
    """One job."""

    def __init__(self, spec: compute.JobSpec):
        self.id = str(len(JOBS) + 1)
        self.spec = spec
        self.killed_for: str | None = None
        env = {**os.environ, **spec.environment, "PBS_JOBID": self.id}
        words = [spec.executable, *spec.arguments]
        self.process = subprocess.Popen(words, env=env, cwd="/", start_new_session=True, stdin=subprocess.DEVNULL)
        threading.Thread(target=self._keep_limit, args=(spec.attributes.duration,), daemon=True).start()

    def _keep_limit(self, seconds: int) -> None:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill("walltime")

    def kill(self, reason: str) -> None:
        """SIGTERM, and after a while SIGKILL."""
        if self.process.poll() is not None:
            return
        self.killed_for = reason

        def tell(number: int) -> None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

        tell(signal.SIGTERM)
        threading.Timer(GRACE_S, tell, (signal.SIGKILL,)).start()

    def told(self, with_spec: bool) -> compute.Job:
        """The job as the API tells it."""
        code = self.process.poll()
        state = "active" if code is None else "canceled" if self.killed_for == "cancel" else "completed" if code == 0 else "failed"
        spec = {"job_spec": self.spec} if with_spec else {}
        exit_code = None if code is None else 128 - code if code < 0 else code
        return compute.Job(id=self.id, status=compute.JobStatus(state=state, time=time.time(), exit_code=exit_code), **spec)


def job_of(job_id: str) -> Process:
    """The job of an id, or 404."""
    if job_id not in JOBS:
        raise HTTPException(status_code=404, detail=f"Job {job_id} not found")
    return JOBS[job_id]


class Facility(status_facility.FacilityAdapter, compute_facility.FacilityAdapter, files_facility.FacilityAdapter, task_facility.FacilityAdapter):
    """All that xpcs asks for; the rest is not there."""

    async def get_current_user(self, api_key, client_ip):
        if api_key != (STATE / "token").read_text().strip():
            raise HTTPException(status_code=401, detail="Invalid API key")
        return "beamline"

    async def get_user(self, user_id, api_key, client_ip):
        return User(id=user_id, name=user_id, api_key=api_key)

    async def get_resource(self, id_):
        if id_ not in RESOURCES:
            raise HTTPException(status_code=404, detail="Resource not found")
        kind = status.ResourceType.service
        modified = "2026-11-26T12:00:00Z"
        return status.Resource(id=id_, name=id_, site_id="here", current_status="up", resource_type=kind, last_modified=modified)

    async def submit_job(self, resource, user, job_spec):
        queue = job_spec.attributes.queue_name
        if queue not in (None, "debug"):
            raise HTTPException(status_code=422, detail=f"there is no queue {queue}")
        job = Process(job_spec)
        JOBS[job.id] = job
        return job.told(True)

    async def get_job(self, resource, user, job_id, historical=True, include_spec=False):
        return job_of(job_id).told(include_spec)

    async def get_jobs(self, resource, user, offset, limit, filters=None, historical=False, include_spec=False):
        shown = [job for job in JOBS.values() if historical or job.process.poll() is None]
        return [job.told(include_spec) for job in shown[offset : offset + limit]]

    async def cancel_job(self, resource, user, job_id):
        job_of(job_id).kill("cancel")
        return True

    async def mkdir(self, resource, user, request_model):
        pathlib.Path(request_model.path).mkdir(parents=request_model.parent, exist_ok=request_model.parent)
        return files.PostMkdirResponse(output=None)

    async def chmod(self, resource, user, request_model):
        os.chmod(request_model.path, int(request_model.mode, 8))
        return files.PutFileChmodResponse(output=None)

    async def upload(self, resource, user, path, content):
        pathlib.Path(path).write_bytes(base64.b64decode(content))
        return files.PutFileUploadResponse(output=path)

    async def tail(self, resource, user, path, file_bytes, lines, skip_heading):
        text = pathlib.Path(path).read_bytes()[-file_bytes:].decode()
        content = files.FileContent(content=text, content_type="bytes", start_position=0, end_position=len(text))
        return files.GetFileTailResponse(output=content)

    async def put_task(self, user, resource, task):
        made = tasks.Task(id=f"task-{len(TASKS)}", command=None)
        TASKS[made.id] = made
        result, made.status = await task_facility.FacilityAdapter.on_task(resource, user, task)
        made.result = result if isinstance(result, dict) else result.model_dump()
        return tasks.TaskSubmitResponse(task_id=made.id)

    async def get_task(self, user, task_id):
        return TASKS.get(task_id)


# What is not asked for is not there.
Facility.__abstractmethods__ = frozenset()


class Store(IdempotencyStore):
    """Keys in memory."""

    def __init__(self):
        self.kept: dict[str, tuple[str, dict | None, int | None]] = {}

    async def check_and_lock(self, cache_key, body_hash):
        if cache_key not in self.kept:
            self.kept[cache_key] = (body_hash, None, None)
            return ("proceed", None, None)
        before, body, code = self.kept[cache_key]
        if body is None:
            return ("conflict", None, None)
        return ("hit", body, code) if before == body_hash else ("fingerprint_mismatch", None, None)

    async def store_result(self, cache_key, body_hash, response_body, response_status):
        self.kept[cache_key] = (body_hash, response_body, response_status)

    async def delete_lock(self, cache_key):
        self.kept.pop(cache_key, None)

    async def close(self):
        pass
