"""What the stand-ins for the guest tools have in common: they do as a folder says, and tell there where they are.

The folder belongs to a test (tests/faults/guest_tools.py):
  plan.json   {"hang": "start"|"middle"|"end"|"", "fail": "message", "write": true}; absent: everything goes well
  reached-PID a tool waits at its point
  go          tools that wait go on
"""

import json
import os
import time
from pathlib import Path

POLL_S = 0.02


class Stage:
    def __init__(self):
        self.folder = Path(__file__).resolve().parent
        try:
            self.plan = json.loads((self.folder / "plan.json").read_text())
        except FileNotFoundError:
            self.plan = {}

    def at(self, point):
        """Waits here when the plan says so. Whoever started the tool may end it meanwhile, as it would end the real one."""
        if self.plan.get("hang") != point:
            return
        note = self.folder / f"reached-{os.getpid()}"
        note.touch()
        while not (self.folder / "go").exists():
            time.sleep(POLL_S)
        note.unlink()
