"""scripts/test: runs the suites one after the other, cleans up behind each, and adds up what they say.

A suite is a program in a session of its own, with a time limit, a log and a temporary folder. Whatever a suite leaves
running carries the mark of this run in its environment and is ended with the suite, and so are its labs and loop devices.
"""

import argparse
import dataclasses
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/release"
LOGS = ROOT / "build/test-logs"
REPORT = ROOT / "build/test-report.json"
LAB = ROOT / "build/lab/migratekit-lab"
MARK = "MIGRATEKIT_TEST_RUN"
RUN_ID = str(uuid.uuid4())
PULSE_S = 15  # a suite that says nothing for longer is shown to be alive
SHOWN_LINES = 60
LARGEST_KEPT_LOG = 5 << 20


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self


@dataclasses.dataclass
class Suite:
    name: str
    command: list
    limit_s: int
    xml: bool = True  # the command gets {xml}; otherwise its output is read line by line
    is_fast: bool = True
    environment: dict = dataclasses.field(default_factory=dict)

    @property
    def stem(self):
        return self.name.replace("/", "-")


# What stands at the start of a line of a suite that writes no XML: scripts/lint and `go test`.
LINE_VERDICTS = (("passed", re.compile(r"^ok\s")), ("failed", re.compile(r"^(FAILED\s|FAIL\s+\S|--- BROKEN)")))


# --- what there is -----------------------------------------------------------------------------------------------


def unit_suites(folder, prefix, environment, limit_s):
    for program in sorted((folder / "tests").glob("unit_*")):
        if program.is_file() and os.access(program, os.X_OK):
            yield Suite(f"{prefix}{program.name}", [str(program), "--gtest_output=xml:{xml}", "--gtest_brief=1"], limit_s,
                        environment=environment)


def pytest_suites():
    limits = {"e2e": 1500, "faults": 1500}
    folders = sorted((ROOT / "tests/integration").iterdir()) + [ROOT / "tests/e2e", ROOT / "tests/faults"]
    for folder in folders:
        if any(folder.glob("test_*.py")):
            command = ["/usr/bin/python3", "-B", "-m", "pytest", "-p", "no:cacheprovider", "-v", "-ra", "--tb=short", "--color=no",
                       "--junitxml={xml}", str(folder)]
            is_fast = folder.name == "tools"
            yield Suite(folder.relative_to(ROOT / "tests").as_posix(), command, limits.get(folder.name, 900), is_fast=is_fast)


def fault_suites():
    """The whole fault matrix takes hours; a part of it is in the suite "faults" of every run."""
    yield Suite("faults/matrix", ["/usr/bin/python3", "-B", str(ROOT / "tests/faults/run_matrix.py")], 24 * 3600, xml=False,
                is_fast=False)


def all_suites(with_asan, with_faults):
    yield Suite("lint", [str(ROOT / "scripts/lint")], 900, xml=False)
    yield from unit_suites(BUILD, "", {}, 300)
    if with_asan:
        sanitizers = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
        yield from unit_suites(ROOT / "build/asan", "asan/", sanitizers, 600)
    yield Suite("fuzz", [str(ROOT / "scripts/fuzz")], 1200, xml=False, is_fast=False)
    yield Suite("go", [str(ROOT / "lab/build"), "--test"], 600, xml=False)
    yield from pytest_suites()
    if with_faults:
        yield from fault_suites()


def chosen_suites(options):
    suites = list(all_suites(options.asan, options.faults))
    if options.suite:
        for pattern in options.suite:
            if not any(fnmatch.fnmatch(suite.name, pattern) for suite in suites):
                print(f"scripts/test: there is no suite '{pattern}'; see scripts/test --list", file=sys.stderr)
                raise SystemExit(2)
        return [suite for suite in suites if any(fnmatch.fnmatch(suite.name, pattern) for pattern in options.suite)]
    return [suite for suite in suites if suite.is_fast or not options.fast]


# --- one suite ---------------------------------------------------------------------------------------------------


def counts_of_xml(path):
    """From what GoogleTest and pytest write; None when the file is not there or torn."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    counts = Counts()
    for case in root.iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            counts.skipped += 1
        else:
            counts.passed += 1
    return counts


def counts_of_lines(text):
    counts = Counts()
    for line in text.splitlines():
        for verdict, pattern in LINE_VERDICTS:
            if pattern.match(line):
                setattr(counts, verdict, getattr(counts, verdict) + 1)
                break
    return counts


def last_line(path):
    with open(path, "rb") as log:
        log.seek(max(0, path.stat().st_size - 2000))
        lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:100] if lines else ""


def follow(process, log, limit_s):
    """Waits for the end, telling now and then where it is. False when time was up."""
    started = time.monotonic()
    while True:
        left = limit_s - (time.monotonic() - started)
        try:
            process.wait(timeout=max(0.0, min(PULSE_S, left)))
            return True
        except subprocess.TimeoutExpired:
            if left <= PULSE_S and time.monotonic() - started >= limit_s:
                return False
            print(f"      {time.monotonic() - started:4.0f} s  {last_line(log)}", flush=True)


def run_suite(suite):
    """Runs it and returns its counts; never raises because of what the suite does."""
    log, xml = LOGS / f"{suite.stem}.log", LOGS / f"{suite.stem}.xml"
    xml.unlink(missing_ok=True)
    # On a disk (/tmp may be memory), and short: sockets below it must keep within the 107 characters of a unix address.
    scratch = Path(tempfile.mkdtemp(prefix="mkt", dir="/var/tmp"))
    environment = {**os.environ, MARK: RUN_ID, "TMPDIR": str(scratch), "MK_E2E_FOLDER": str(scratch),
                   "MK_BUILD_DIR": str(BUILD), "MK_PROGRAMS": str(BUILD / "bin"), **suite.environment}
    try:
        with open(log, "wb") as output:
            process = subprocess.Popen([part.replace("{xml}", str(xml)) for part in suite.command], cwd=ROOT, env=environment,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                in_time = follow(process, log, suite.limit_s)
            finally:
                end_group(process)
        if process.returncode != 0:
            keep_logs(scratch, LOGS / f"{suite.stem}.files")
    finally:
        left_behind = clean_up(scratch)
    counts = counts_of_xml(xml) if suite.xml else counts_of_lines(log.read_text(errors="replace"))
    reason = verdict_on_end(process, counts, in_time, suite)
    if reason:
        counts = counts or Counts()
        counts.failed += 1
        with open(log, "a", encoding="utf-8") as output:
            output.write(f"\n--- {reason}\n")
    for remark in left_behind:
        print(f"      left behind and removed: {remark}", flush=True)
    return counts


def verdict_on_end(process, counts, in_time, suite):
    """Why the suite as a whole counts as one more failure, or nothing."""
    if not in_time:
        return f"not finished within {suite.limit_s} s"
    if process.returncode < 0:
        return f"ended by signal {-process.returncode}"
    if counts is None:
        return f"ended with {process.returncode} and without results"
    if process.returncode != 0 and counts.failed == 0:
        return f"ended with {process.returncode} although no test failed"
    if counts.passed + counts.failed + counts.skipped == 0:
        return "ran no test"
    return ""


def show_failure(suite):
    log = LOGS / f"{suite.stem}.log"
    lines = log.read_text(errors="replace").splitlines()
    if suite.xml:
        # What passed before the first failure is of no interest here.
        first = next((i for i, line in enumerate(lines) if re.search(r"= FAILURES =|= ERRORS =|: Failure$|ERROR: \w+Sanitizer", line)), None)
        if first is not None:
            lines = lines[first:]
    shown = lines[:SHOWN_LINES]
    if len(lines) > SHOWN_LINES:
        shown += [f"... {len(lines) - SHOWN_LINES} more lines ...", *lines[max(SHOWN_LINES, len(lines) - 15):]]
    print("\n".join(f"    | {line}" for line in shown), f"\n    whole log: {os.path.relpath(log, ROOT)}", flush=True)


# --- cleaning up -------------------------------------------------------------------------------------------------


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def marked_processes():
    """Everything that was started, directly or not, by this run."""
    mark = f"{MARK}={RUN_ID}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name), (entry / "comm").read_text().strip()
        except OSError:
            continue  # it has ended, or is another user's


def any_marked_process():
    """Looks twice: a process that is just being started has no environment to read for a moment."""
    if any(marked_processes()):
        return True
    time.sleep(0.2)
    return any(marked_processes())


def end_marked_processes():
    names = []
    if not any_marked_process():
        return names
    for sent, patience_s in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        left = list(marked_processes())
        names += [name for _, name in left] if sent is signal.SIGTERM else []
        for number, _ in left:
            try:
                os.kill(number, sent)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + patience_s
        while any_marked_process() and time.monotonic() < deadline:
            time.sleep(0.1)
    return names


def keep_logs(scratch, folder):
    """The logs of services, simulators and guests of a failed suite; they are removed with its temporary files otherwise."""
    shutil.rmtree(folder, ignore_errors=True)
    for log in scratch.rglob("*.log"):
        if log.is_file() and not log.is_symlink() and log.stat().st_size <= LARGEST_KEPT_LOG:
            target = folder / log.relative_to(scratch)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, target)


def as_root(*command):
    subprocess.run([*([] if os.geteuid() == 0 else ["sudo", "-n"]), *command], check=False, timeout=30)


def unmount_all(scratch):
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    mounted = [point for point in points if point.startswith(f"{scratch}/")]
    for point in reversed(mounted):
        as_root("umount", point)
    return mounted


def detach_loops(scratch):
    released = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if backing.read_text().startswith(f"{scratch}/"):
                device = "/dev/" + backing.parent.parent.name
                as_root("losetup", "-d", device)
                released.append(device)
        except OSError:
            continue
    return released


def clean_up(scratch):
    """Says what a suite left behind; nothing of it is there afterwards."""
    left = []
    for description in scratch.glob("**/lab.json"):
        folder = description.parent
        if LAB.exists():
            subprocess.run([LAB, "down", "--state", folder], stdout=subprocess.DEVNULL, timeout=120, check=False)
            left.append(f"lab in {folder}")
    left += [f"process {name}" for name in end_marked_processes()]
    left += [f"mount {point}" for point in unmount_all(scratch)]
    left += [f"loop device {device}" for device in detach_loops(scratch)]
    shutil.rmtree(scratch, ignore_errors=True)
    return left


# --- all of them -------------------------------------------------------------------------------------------------


def run_all(suites):
    LOGS.mkdir(parents=True, exist_ok=True)
    entries, total = [], Counts()
    for number, suite in enumerate(suites, 1):
        print(f"[{number}/{len(suites)}] {suite.name}", flush=True)
        started = time.monotonic()
        counts = run_suite(suite)
        print(f"      {counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped in "
              f"{time.monotonic() - started:.1f} s", flush=True)
        if counts.failed:
            show_failure(suite)
        entries.append({"name": suite.name, **dataclasses.asdict(counts)})
        total += counts
    REPORT.write_text(json.dumps({"suites": entries}, indent=2) + "\n")
    return entries, total


def stop_on_signal(number, _frame):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", add_help=False)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--asan", action="store_true")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--suite", action="append", default=[])
    options = parser.parse_args()
    # A stopped run must clean up too: the suites' processes live in sessions of their own.
    signal.signal(signal.SIGTERM, stop_on_signal)
    signal.signal(signal.SIGHUP, stop_on_signal)
    if options.faults:
        os.environ["MK_FAULTS"] = "all"  # tests that repeat something do it as often as they can
    suites = chosen_suites(options)
    if options.list:
        print("\n".join(suite.name for suite in suites))
        return 0
    started = time.monotonic()
    entries, total = run_all(suites)
    failed = [entry["name"] for entry in entries if entry["failed"]]
    skipped = [entry["name"] for entry in entries if entry["skipped"]]
    is_ci = os.environ.get("CI") == "true"
    print(f"\nReport: {os.path.relpath(REPORT, ROOT)}, logs: {os.path.relpath(LOGS, ROOT)}/, {time.monotonic() - started:.0f} s")
    if failed:
        print(f"Failed: {', '.join(failed)}")
    if skipped:
        print(f"Skipped something{' (a failure in CI, where every tool must be present)' if is_ci else ''}: {', '.join(skipped)}")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed or (is_ci and total.skipped) else 0


if __name__ == "__main__":
    sys.exit(main())
