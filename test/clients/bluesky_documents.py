"""Documents of Bluesky runs, as its run engine emits them, checked against the names and types that its event model has published."""

import json
import uuid
from pathlib import Path

PUBLISHED = json.loads((Path(__file__).parent.parent / "fixtures" / "event-model" / "documents.json").read_text())
_TYPES = {"number": (int, float), "integer": int, "string": str, "object": dict}


def check(name, doc):
    """Raises ValueError where a document is none of the event model."""
    rules = PUBLISHED[name]
    missing = [field for field in rules["required"] if field not in doc]
    surplus = [] if rules["others"] else [field for field in doc if field not in rules["fields"]]
    wrong = []
    for field, types in rules["fields"].items():
        allowed = tuple(_TYPES[kind] for kind in ([types] if isinstance(types, str) else types))
        if field in doc and not isinstance(doc[field], allowed if len(allowed) > 1 else allowed[0]):
            wrong.append(field)
    if missing or surplus or wrong:
        raise ValueError(f"{name}: missing {missing}, surplus {surplus}, of another type {wrong}")


def _uid():
    return str(uuid.uuid4())


def run(paths, *, streamed=True, says_run=True, exit_status="success", **metadata):
    """The documents of one run that leaves files: as ophyd-async writes them, or as older detectors do.

    :param says_run: an old resource may not say to which run it belongs
    """
    start = {"uid": _uid(), "time": 1764167000.25, "scan_id": 53, "plan_name": "count", "plan_type": "generator", "versions": {"bluesky": "1.14"}, **metadata}
    key = {"source": "sim", "dtype": "array", "shape": [1, 512, 1024], "external": "STREAM:"}
    descriptor = {"uid": _uid(), "time": 1764167000.5, "run_start": start["uid"], "name": "primary", "data_keys": {"det": key}, "configuration": {}, "hints": {}, "object_keys": {"det": ["det"]}}
    documents = [("start", start), ("descriptor", descriptor)]
    data = {}
    for path in paths:
        resource = _uid()
        if streamed:
            parameters = {"dataset": "/entry/data/data", "chunk_shape": [1, 512, 1024]}
            documents.append(
                ("stream_resource", {"uid": resource, "run_start": start["uid"], "data_key": "det", "mimetype": "application/x-hdf5", "uri": f"file://localhost{path}", "parameters": parameters})
            )
            documents.append(
                ("stream_datum", {"uid": f"{resource}/0", "descriptor": descriptor["uid"], "stream_resource": resource, "indices": {"start": 0, "stop": 1}, "seq_nums": {"start": 1, "stop": 2}})
            )
        else:
            old = {"uid": resource, "spec": "AD_HDF5", "root": "/data", "resource_path": path.removeprefix("/data/"), "resource_kwargs": {"frame_per_point": 1}, "path_semantics": "posix"}
            documents.append(("resource", {**old, "run_start": start["uid"]} if says_run else old))
            documents.append(("datum", {"datum_id": f"{resource}/0", "datum_kwargs": {"point_number": 0}, "resource": resource}))
            data = {"det": f"{resource}/0"}
    documents.append(
        ("event", {"uid": _uid(), "time": 1764167010.5, "descriptor": descriptor["uid"], "seq_num": 1, "data": data, "timestamps": dict.fromkeys(data, 1764167010.5), "filled": dict.fromkeys(data, False)})
    )
    documents.append(("stop", {"uid": _uid(), "time": 1764167011.0, "run_start": start["uid"], "exit_status": exit_status, "reason": "", "num_events": {"primary": 1}}))
    for name, doc in documents:
        check(name, doc)
    return documents
