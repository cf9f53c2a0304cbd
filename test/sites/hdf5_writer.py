"""Writes detector files as facilities' writers do, with h5py: frames come from a file of uint16 words, and orders by lines on standard input.

usage: hdf5_writer.py MODE PATH WORDS ROWS COLUMNS FRAMES_PER_CHUNK
MODE: swmr (one file, open in SWMR mode), append (opened, appended and closed for each order), open (open without SWMR)
orders: "N" appends N frames and flushes; "extend N" makes room for N frames more without writing them; "close" ends
"""

import sys

import h5py
import numpy as np

mode, path, words, rows, columns, chunk = sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7])
frames = np.fromfile(words, dtype="<u2").reshape(-1, rows, columns)
written = 0
extent = 0


def begin():
    file = h5py.File(path, "w", libver=("earliest", "latest") if mode == "append" else "latest")
    data = file.create_dataset(
        "/entry/data/data", (0, rows, columns), "<u2", maxshape=(None, rows, columns), chunks=(chunk, rows, columns), compression="gzip", shuffle=True
    )
    return file, data


def append(data, n):
    global written, extent
    extent = max(extent, written + n)
    data.resize(extent, axis=0)
    data[written : written + n] = frames[written : written + n]
    written += n


file, data = begin()
if mode == "swmr":
    file.swmr_mode = True
if mode == "append":
    file.close()
print("1", flush=True)
for line in sys.stdin:
    order = line.split()
    if order[0] == "close":
        break
    if mode == "append":
        file = h5py.File(path, "r+")
        data = file["/entry/data/data"]
    if order[0] == "extend":
        extent += int(order[1])
        data.resize(extent, axis=0)
    else:
        append(data, int(order[0]))
    if mode == "append":
        file.close()
    else:
        data.flush()
        file.flush()
    print(written, flush=True)
if mode != "append":
    file.close()
print("closed", flush=True)
