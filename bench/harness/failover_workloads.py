"""What a failover costs beside the work of others: a live failover of a running machine with two disks, in the lab.

Our own time is that of all steps of the job without the time in which virt-v2v works, the copy process copies the last
changes, or the new machine boots. All three are seen from outside: as processes, and as the line that the guest prints
when it is up. The inspection of the guest's disks, the shutdown of the source's guest, the commands of the simulated cloud
and everybody's waiting for them belong to us.
"""

import datetime
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time

from measure import Figure
from processes import Failed

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/lib"))

from installation import CommandFailed, Site, SiteError  # noqa: E402  (the path has to be set first)
from witness import Witness  # noqa: E402

MACHINE = "beacon"
# Of the installation: a disk, and a short path, because unix sockets lie below it.
FOLDERS = pathlib.Path("/var/tmp")
PREFIX = "mk-bench-"
GOAL_S = 60
LOOK_EVERY_S = 0.05
MARKER = b"BEACON host="
# Program -> what it does instead of us.
FOREIGN = {"virt-v2v-in-place": "virt-v2v", "migratekit-engine": "final copy"}
BOOT = "guest boot"
INSPECTOR = "migratekit-inspect"  # ours, but told: most of its time is the start of libguestfs' virtual machine


def boot_time():
    """Of this machine, in seconds since the epoch; processes know their start relative to it."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def started_at(pid, boot):
    """When a process began, in seconds since the epoch."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")


def descendants(pid):
    """Processes that this one has started, directly or not."""
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = [int(child) for child in task.read_text().split()]
        except OSError:
            continue  # the thread has ended
        for child in found:
            yield child
            yield from descendants(child)


def name_of(pid):
    """The program's name; virt-v2v's is too long for the kernel's short one."""
    command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return pathlib.Path(os.fsdecode(command[0])).name


class Watch:
    """Sees from outside when others work, until stopped."""

    def __init__(self, site):
        self.site = site
        self.periods = {}  # (pid, what) -> [from, to]
        self.guest = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()

    def watch(self):
        boot = boot_time()
        parents = [self.site.processes[service].pid for service in ("oma-api", "vma-api")]
        while not self.stopping.wait(LOOK_EVERY_S):
            for parent in parents:
                for pid in descendants(parent):
                    try:
                        name = name_of(pid)
                        what = FOREIGN.get(name, name)
                        if name in FOREIGN or name == INSPECTOR:
                            self.periods.setdefault((pid, what), [started_at(pid, boot), 0])[1] = time.time()
                    except OSError:
                        continue  # it has ended meanwhile
            self.look_at_the_guest(boot)

    def look_at_the_guest(self, boot):
        """The guest in the cloud: from the start of its machine to its marker."""
        if "to" in self.guest:
            return
        for pid_file in self.site.lab_state.glob("cloudstack/vms/*/qemu.pid"):
            console = pid_file.with_name("serial.log")
            try:
                self.guest.setdefault("from", started_at(int(pid_file.read_text()), boot))
                if MARKER in console.read_bytes():
                    self.guest["to"] = time.time()
            except (OSError, ValueError):
                continue  # not yet

    def work_of(self, what):
        """[(from, to)], without overlaps: a program may have children of its own name."""
        return joined(period for (_, name), period in self.periods.items() if name == what)

    def work_of_others(self):
        """What they did -> [(from, to)]."""
        found = {what: self.work_of(what) for what in FOREIGN.values()}
        found[BOOT] = [(self.guest["from"], self.guest["to"])] if "to" in self.guest else []
        missing = [what for what, periods in found.items() if not periods]
        if missing:
            raise Failed(f"nobody saw: {', '.join(missing)}")
        return found


def joined(periods):
    """The same instants in as few periods as possible."""
    found = []
    for first, last in sorted(periods):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def length(periods):
    return sum(last - first for first, last in periods)


def overlap(begin, end, periods):
    return sum(max(0.0, min(end, last) - max(begin, first)) for first, last in periods)


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def own_times(steps, others):
    """[(title, whole, own)] of the job's steps, in seconds."""
    rows = []
    foreign = joined(period for periods in others.values() for period in periods)
    for step in steps:
        begin, end = seconds(step["started_at"]), seconds(step["completed_at"])
        rows.append((step["title"], end - begin, end - begin - overlap(begin, end, foreign)))
    return rows


def prepared_site(bench):
    """An installation with the machine replicated. It ends with the workload."""
    folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=FOLDERS)
    bench.at_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    site = Site(folder)
    for program in (site.programs / "oma-api", ROOT / "build/lab/migratekit-lab"):
        if not program.exists():
            raise Failed(f"{program} is missing: build it with scripts/build --programs")
    bench.at_end(site.down)
    site.up()
    site.connect()
    site.cli("vm", "add", MACHINE)
    site.cli("sync", "start", MACHINE, "--wait")
    Witness(site, MACHINE).wait_for_writes(1)  # its guest is up and can be asked to shut down
    site.cli("sync", "start", MACHINE, "--wait")
    return site


def overhead(bench):
    try:
        site = prepared_site(bench)
        with Watch(site) as watch:
            ended = site.run_cli("failover", "live", MACHINE, "--confirm", MACHINE, "--probe", "http:8080/", "--wait", limit=900)
        if ended.returncode not in (0, 7):  # done, or done with a warning
            raise Failed(f"the failover ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
        job = site.api("GET", f"/api/v1/jobs/{site.cli_json('vm', 'show', MACHINE)['failover']['job_id']}")[1]
    except (SiteError, CommandFailed) as failure:
        raise Failed(str(failure)) from failure
    others = watch.work_of_others()
    rows = own_times([s for s in job["steps"] if s["completed_at"]], others)
    for title, whole, own in rows:
        bench.say(f"  {title:36} {whole:7.2f} s, own {own:6.2f} s")
    spent = ", ".join(f"{what} {length(periods):.1f} s" for what, periods in others.items())
    note = (f"one run; {sum(whole for _, whole, _ in rows):.0f} s in all, without {spent}; "
            f"of our own time {length(watch.work_of(INSPECTOR)):.1f} s are the inspection of the guest's disks")
    parts = [{"step": title, "seconds": round(whole, 2), "own_seconds": round(own, 2)} for title, whole, own in rows]
    return [Figure("own time of a live failover, two disks", round(sum(own for _, _, own in rows), 1), "s", GOAL_S, note, parts)]


def end_left_overs():
    """Installations of benchmarks that were killed."""
    for folder in FOLDERS.glob(f"{PREFIX}*"):
        if not pathlib.Path(f"/proc/{folder.name.split('-')[2]}").exists():
            site = Site(folder)
            site.adopt()
            site.lab_command("down", check=False)
            shutil.rmtree(folder, ignore_errors=True)
