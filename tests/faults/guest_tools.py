"""A folder of stand-ins for the guest tools (standins/), and what they are told to do."""

import json
import os
import shutil
from pathlib import Path

from installation import wait_for

STANDINS = Path(__file__).resolve().parent / "standins"


class GuestTools:
    """The folder that a site's services find before the installed programs."""

    def __init__(self, folder):
        self.folder = Path(folder)
        shutil.copytree(STANDINS, self.folder, ignore=shutil.ignore_patterns("__pycache__"))

    def plan(self, **plan):
        """hang=start|middle|end, fail=message, write=False; nothing: all goes well. Applies to tools that start from now on."""
        (self.folder / "go").unlink(missing_ok=True)
        temporary = self.folder / "plan.new"
        temporary.write_text(json.dumps(plan))
        os.replace(temporary, self.folder / "plan.json")

    def waiting(self):
        """Process ids of the tools that wait at their point."""
        found = []
        for note in self.folder.glob("reached-*"):
            pid = int(note.name.removeprefix("reached-"))
            if Path(f"/proc/{pid}").exists():
                found.append(pid)
            else:
                note.unlink(missing_ok=True)
        return found

    def wait_for_hanging(self, count=1, limit=60):
        return wait_for(f"{count} guest tools to hang", lambda: len(self.waiting()) >= count and self.waiting(), limit, 0.05)

    def release(self):
        (self.folder / "go").touch()

    def reset(self):
        """Lets everything go on and well."""
        self.plan()
        self.release()

    def running(self):
        """Tools that live: none may, once their jobs have ended."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"{self.folder}/" in line:
                found.append(int(entry.name))
        return found
