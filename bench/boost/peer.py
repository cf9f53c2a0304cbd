"""What bench/boost needs of Python. Imports boost_corr from the checkout that PYTHONPATH names, and contains nothing of it.

  peer.py about                            the versions and the GPU
  peer.py metadata FILE FRAME_TIME         the least metadata file that boost_corr asks for
  peer.py repeat TYPE RUNS JSON            boost_corr's own function, called RUNS times in one process
  peer.py difference TYPE OURS THEIRS      how far two results are apart

Each prints one line of JSON, the last of its output.
"""
import gc
import json
import subprocess
import sys
import time

G2 = {"multitau": "/xpcs/multitau/normalized_g2", "twotime": "/xpcs/twotime/normalized_g2"}
INTENSITY = "/xpcs/spatial_mean/intensity_vs_time"


def about():
    import torch

    gpu = torch.cuda.is_available()
    properties = torch.cuda.get_device_properties(0) if gpu else None
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    driver = subprocess.run(query, capture_output=True, text=True).stdout.strip() if gpu else None
    return {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "gpu": properties.name if gpu else None,
        "gpuMemoryGB": round(properties.total_memory / 2**30) if gpu else None,
        "driver": driver,
    }


def metadata(path, frame_time):
    import h5py

    with h5py.File(path, "w") as file:
        file["/entry/schema_version"] = "1.0"
        file["/entry/instrument/detector_1/frame_time"] = float(frame_time)
    return {}


def repeat(kind, runs, settings):
    import torch

    if kind == "multitau":
        from boost_corr import MultitauCorrelator as Correlator
        from boost_corr.xpcs_aps_8idi.gpu_corr_multitau import solve_multitau as solve
    else:
        from boost_corr import TwotimeCorrelator as Correlator
        from boost_corr.xpcs_aps_8idi.gpu_corr_twotime import solve_twotime as solve

    def finished():
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    series = []
    plain = Correlator.process_dataset

    def timed(*args, **kwargs):
        begin = finished()
        plain(*args, **kwargs)
        series.append(finished() - begin)

    Correlator.process_dataset = timed
    calls = []
    for _ in range(int(runs)):
        begin = finished()
        solve(**json.loads(settings))
        calls.append(finished() - begin)
        gc.collect()
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    return {"callS": calls, "seriesS": series, "gpuBytes": peak}


def difference(kind, ours, theirs):
    import h5py
    import numpy as np

    with h5py.File(ours) as a, h5py.File(theirs) as b:
        x, y = a[G2[kind]][()].astype(float), b[G2[kind]][()].astype(float)
        s, t = a[INTENSITY][()].astype(float)[1], b[INTENSITY][()].astype(float)[1]
    if x.shape != y.shape or s.shape != t.shape:
        raise SystemExit(f"the results have different shapes: {x.shape} and {y.shape}, {s.shape} and {t.shape}")
    if kind == "twotime":  # at the largest lags few pairs are left
        x, y = x[1 : len(x) // 2], y[1 : len(y) // 2]
    # a two-time analysis of boost_corr has the mean of its q bins' pixels only
    wrong = int(np.sum(np.abs(s - t) > 1e-4 * np.maximum(np.abs(s), 1e-12))) if kind == "multitau" else None
    if not np.isfinite(y).all() or not np.isfinite(x).all():
        return {"largest": None, "median": None, "framesApart": wrong}
    some = (x != 0) | (y != 0)
    apart = np.abs(x - y)[some] / np.maximum(np.abs(y[some]), 1e-30)
    return {"largest": float(apart.max()), "median": float(np.median(apart)), "framesApart": wrong}


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    print(json.dumps({"about": about, "metadata": metadata, "repeat": repeat, "difference": difference}[command](*words)))
