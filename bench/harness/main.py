"""scripts/bench: measures the data plane against its peers. See scripts/bench --help."""

import argparse
import fnmatch
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import failover_workloads
import local_workloads as local
import machine
import memory_workloads
import remote_workloads as remote
import report
from bench import Bench
from measure import measure
from processes import command_output

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPORT = ROOT / "build/bench-report.json"
LOGS = ROOT / "build/bench-logs"
DOCUMENT = ROOT / "docs/performance.md"
FULL_REPEATS = 5
NEEDED_MEMORY = 9 << 30
LARGEST_IMAGES = 8 << 30
PREFIX = "migratekit-bench-"

# Name -> (what it makes, whether it makes a Workload or Figures). The order is that of the report.
ROWS = {
    "dense-unix": local.dense_unix,
    "dense-unix-own-server": local.dense_unix_our_server,
    "dense-tcp": local.dense_tcp,
    "dense-tls": remote.dense_tls,
    "sparse": local.sparse,
    "zero-64k": local.zeros_in_64_kib,
    "zero-4k": local.zeros_in_4_kib,
    "increment": local.increment,
    "increment-slow": local.increment_slow_source,
    "slow-source": local.slow_source,
    "flushed-file": local.flushed_file_system,
    "flushed-loop": local.flushed_loop_device,
    "wan-100m": remote.hundred_megabit,
    "wan-1g": remote.gigabit,
    "wan-1g-20ms": remote.gigabit_delayed,
    "digests": local.digests,
    "disks-1": lambda bench: local.many_disks(bench, 1),
    "disks-8": lambda bench: local.many_disks(bench, 8),
    "disks-60": lambda bench: local.many_disks(bench, 60),
}
FIGURES = {
    "memory": memory_workloads.memory,
    "wire-increment": remote.wire_of_increment,
    "cuts": remote.cuts,
    "failover-overhead": failover_workloads.overhead,
}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/bench", add_help=False)
    parser.add_argument("--rows", action="append", default=[])
    parser.add_argument("--repeat", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build/release/bench")
    parser.add_argument("--disk", type=pathlib.Path, default=ROOT / "build")
    return parser.parse_args(arguments)


def say(text):
    print(text, flush=True)


def remove_left_overs(parent):
    """Folders of benchmarks that were killed. What was mounted there vanished with their mount namespace."""
    for folder in parent.glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if not pathlib.Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)
    failover_workloads.end_left_overs()


def mount_memory(folder, name, pages):
    """A file system in memory. scripts/bench started us in a mount namespace of our own: nobody else sees it, and it
    ends with us."""
    path = folder / name
    path.mkdir()
    command_output(["mount", "-t", "tmpfs", "-o", f"size={LARGEST_IMAGES},huge={pages}", "migratekit-bench", path])
    return path


def stop_cleanly(number, _):
    raise SystemExit(128 + number)


def make_bench(options, folder, repeats):
    available = machine.available_memory()
    if available < NEEDED_MEMORY and not options.quick:
        raise SystemExit(f"scripts/bench: {available >> 20} MiB of memory are free, {NEEDED_MEMORY >> 20} are needed; "
                         "--quick needs a quarter")
    disk = folder / "disk"
    disk.mkdir()
    return Bench(mount_memory(folder, "memory", "never"), mount_memory(folder, "huge", "always"), disk,
                 options.programs.resolve(), options.quick, 2 if repeats >= FULL_REPEATS else 1, say)


def keep_logs(folder):
    shutil.rmtree(LOGS, ignore_errors=True)
    shutil.copytree(folder / "memory/run", LOGS, ignore=lambda _, names: [n for n in names if not n.endswith(".log")])
    say(f"logs of all processes: {LOGS.relative_to(ROOT)}")


def remove(folder):
    for name in ("memory", "huge"):
        subprocess.run(["umount", "--lazy", folder / name], stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def run_rows(bench, names, repeats):
    rows, figures, failures, notes = [], [], [], []
    for name in names:
        say(f"{name}:")
        try:
            if name in FIGURES:
                found = FIGURES[name](bench)
                figures += found
                for figure in found:
                    say(f"  {figure.name}: {figure.measured:g} {figure.unit} (goal {figure.goal:g}; {figure.note})")
            else:
                workload = ROWS[name](bench)
                found, failed = measure(workload, repeats, say)
                rows += found
                failures += failed
                notes += [(workload.name, text) for text in (workload.note, workload.floor) if text]
                say(report.rows_for_people(found))
        except Exception as failure:  # one row that cannot be measured must not hide the others
            failures.append(f"{name}: {failure}")
            say(f"  FAILED: {failure}")
        finally:
            bench.end_workload()
    return rows, figures, failures, notes


def main(arguments):
    options = parse(arguments)
    known = [*ROWS, *FIGURES]
    names = [name for name in known if not options.rows or any(fnmatch.fnmatch(name, p) for p in options.rows)]
    if options.list:
        print("\n".join(names))
        return 0
    if not names:
        print(f"scripts/bench: no row is called {', '.join(options.rows)}; see --list", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("scripts/bench: network namespaces and loop devices need root rights", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop_cleanly)
    remove_left_overs(options.disk)
    repeats = options.repeat or (1 if options.quick else FULL_REPEATS)
    described = machine.describe()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=options.disk))
    try:
        bench = make_bench(options, folder, repeats)
        rows, figures, failures, notes = run_rows(bench, names, repeats)
    finally:
        if options.keep:
            keep_logs(folder)
        remove(folder)
    report.write_json(REPORT, described, arguments, rows, figures, failures)
    if not options.rows and not options.quick:
        report.write_markdown(DOCUMENT, report.markdown(described, arguments, rows, figures, failures, notes))
    say(f"report: {REPORT.relative_to(ROOT)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
