"""
A fake of PvaPy's module ``pvaccess``: the calls of ``Channel`` that the bridge uses, as its documentation describes them (docstrings of
src/pvaccess/pvaccess.Channel.cpp in epics-base/pvaPy: setMonitorMaxQueueLength, subscribe, startMonitor, stopMonitor, unsubscribe): with a queue a thread
of its own calls the subscribers, one update after the other; a full queue is not polled, so that the server drops updates. Updates are dictionaries with the
fields of PvaPy's NtNdArray. A channel gives its present value at first. What it plays says the environment variable FAKE_PVA, as JSON:
words (a file of uint16), rows, columns, ids (of the updates, the first is the present value), frames (which of the file they are), pauseS, firstPauseS (after the
present value), and fields that replace those of the update ``replaceAt``; a channel without an image has no dimensions and an empty union.
"""

import json
import os
import threading
import time

import numpy as np

COLUMNS_FIRST = ("columns", "rows")


class Channel:
    def __init__(self, name):
        self.name = name
        self.queue = 0
        self.subscribers = {}
        self.thread = None
        self.running = False

    def setMonitorMaxQueueLength(self, length):
        self.queue = length

    def subscribe(self, name, subscriber):
        self.subscribers[name] = subscriber

    def unsubscribe(self, name):
        del self.subscribers[name]

    def startMonitor(self, request):
        assert request == "", "the default descriptor gives the field value alone"
        assert self.queue != 0, "without a queue subscribers run on the thread of the network"
        self.running = True
        self.thread = threading.Thread(target=self._play, daemon=True)
        self.thread.start()

    def stopMonitor(self):
        self.running = False
        self.thread.join()

    def _play(self):
        said = json.loads(os.environ["FAKE_PVA"])
        rows, columns = said["rows"], said["columns"]
        words = np.memmap(said["words"], dtype="<u2", mode="r").reshape(-1, rows * columns)
        for at, (unique_id, frame) in enumerate(zip(said["ids"], said["frames"])):
            if not self.running:
                return
            update = {
                "uniqueId": unique_id,
                "dimension": [{"size": said[side], "offset": 0, "fullSize": said[side], "binning": 1, "reverse": False} for side in COLUMNS_FIRST],
                "codec": {"name": "", "parameters": ()},
                "value": ({"ushortValue": np.array(words[frame])}, {"ushortValue": []}),
                "attribute": [{"name": "ColorMode", "value": ({"value": 0}, {"value": 5})}],
                "dataTimeStamp": {"secondsPastEpoch": 1_700_000_000 + unique_id, "nanoseconds": 0, "userTag": 0},
            }
            if at == said.get("replaceAt"):
                update.update(said["replace"])
            for subscriber in list(self.subscribers.values()):
                subscriber(update)
            time.sleep(said.get("firstPauseS" if at == 0 else "pauseS", said.get("pauseS", 0)))
