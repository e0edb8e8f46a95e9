"""Installations for tests: lab, services and command line, each in a state directory of its own."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/lib"))

from installation import Site  # noqa: E402  (the path has to be set first)


def make_site(**options):
    # A short path: unix sockets below it may have 107 characters at most.
    state = tempfile.mkdtemp(prefix="mk-", dir=os.environ.get("MK_E2E_FOLDER", "/var/tmp"))
    return Site(state, **options)


def end_site(site, failed):
    site.down()
    if failed:
        print(f"kept for a look: {site.state}")
    else:
        shutil.rmtree(site.state, ignore_errors=True)
