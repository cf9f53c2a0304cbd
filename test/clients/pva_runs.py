"""Runs the bridge with the fake of PvaPy, and prints what it tells as lines of JSON. Arguments: those of the bridge."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fake_pva"))

from xpcs_client import pva_bridge  # noqa: E402

code = pva_bridge.main(sys.argv[1:], tell=lambda told: print(json.dumps(told), flush=True))
print(json.dumps({"code": code}), flush=True)
