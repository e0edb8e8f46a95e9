#!/usr/bin/python3 -B
"""The whole fault matrix (scripts/test --faults).

    tests/faults/run_matrix.py                     record every kind, generate the cases, run all of them
    tests/faults/run_matrix.py --only 'live/*'     only these (the option may be repeated)
    tests/faults/run_matrix.py --again             forget what an earlier run has done
    tests/faults/run_matrix.py --list              the cases; nothing is run after the recording

A run that was stopped goes on where it was (build/faults-progress.jsonl), as long as the cases are the same. The report is
build/faults-report.json; the logs of cases that failed are in build/faults-logs. Exit code 0 when no case failed.
"""

import argparse
import fnmatch
import json
import random
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import sites  # noqa: E402,F401  (makes the installation's modules known)
from installation import ROOT  # noqa: E402

from matrix import recording  # noqa: E402
from matrix.campaign import SITES, Campaign, write_report  # noqa: E402
from matrix.cases import generate  # noqa: E402
from matrix.driver import Result  # noqa: E402
from matrix.kinds import KINDS  # noqa: E402
from matrix.subset import SEED  # noqa: E402

PROGRESS = ROOT / "build/faults-progress.jsonl"
RECORDED = ROOT / "build/faults-recording.json"


def say(text):
    print(text, flush=True)


def recordings(options, campaign):
    if options.recorded:
        return recording.from_json(RECORDED.read_text())
    found = campaign.record(options.kind or list(KINDS))
    RECORDED.parent.mkdir(parents=True, exist_ok=True)
    RECORDED.write_text(recording.to_json(found))
    return found


class Progress:
    """What an earlier run of the same cases has done, and what this one does. A choice of cases has none."""

    def __init__(self, cases, options):
        self.is_kept = not options.only
        self.before = {}
        if not self.is_kept:
            return
        if options.again:
            PROGRESS.unlink(missing_ok=True)
        if PROGRESS.exists():
            known = {case.id for case in cases}
            results = [Result(**json.loads(line)) for line in PROGRESS.read_text().splitlines()]
            self.before = {r.case: r for r in results if r.case in known}

    def add(self, result):
        if self.is_kept:
            with open(PROGRESS, "a", encoding="utf-8") as file:
                file.write(json.dumps(vars(result)) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="record only these kinds")
    parser.add_argument("--recorded", action="store_true", help="do not record: use the last recording")
    parser.add_argument("--sites", type=int, default=SITES, help=f"how many installations side by side (default {SITES})")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def stop(number, _frame):
    raise SystemExit(128 + number)


def run_all(cases, progress, campaign):
    """Runs them, keeping each result as it comes; returns all results, those of before as well."""
    results = list(progress.before.values())
    cases = [case for case in cases if case.id not in progress.before]
    random.Random(SEED).shuffle(cases)  # so that a run that is stopped has seen something of everything
    campaign.start(cases)
    for _ in cases:
        result = campaign.finished.get()
        results.append(result)
        progress.add(result)
        write_report(results)
    return results


def main():
    signal.signal(signal.SIGTERM, stop)  # the installations are taken down then
    options = arguments()
    campaign = Campaign(say, options.sites)
    try:
        cases = generate(recordings(options, campaign))
        if options.only:
            cases = [c for c in cases if any(fnmatch.fnmatch(c.id, pattern) for pattern in options.only)]
        if options.list:
            say("\n".join(c.id for c in cases))
            return 0
        progress = Progress(cases, options)
        say(f"{len(cases)} cases" + (f", {len(progress.before)} of them done before" if progress.before else ""))
        results = run_all(cases, progress, campaign)
    finally:
        campaign.end()
    say(write_report(results))
    return 1 if any(r.verdict == "failed" for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
