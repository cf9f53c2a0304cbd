"""
Jobs of an xpcs central from Python: submit, look, wait, cancel::

    from xpcs_client import connect, corr_job

    with connect() as central:
        ids = central.submit(corr_job("scan.bin", "qmap.hdf", "scan_results.hdf", options={"frameTimeS": 2e-5}))
        [job] = central.wait(ids)
        print(job["state"], job["outputs"])
"""

from .client import Client, connect
from .errors import CODES, XpcsError
from .jobs import (
    FINAL_STATES,
    Attempt,
    Canceled,
    Changes,
    JobSpec,
    JobView,
    OutputFile,
    Page,
    SiteView,
    command_job,
    corr_job,
)
from .version import VERSION as __version__

__all__ = [
    "CODES",
    "FINAL_STATES",
    "Attempt",
    "Canceled",
    "Changes",
    "Client",
    "JobSpec",
    "JobView",
    "OutputFile",
    "Page",
    "SiteView",
    "XpcsError",
    "__version__",
    "command_job",
    "connect",
    "corr_job",
]
