"""migratekit-lab: up, down, status and reset of the real simulators, and the debris that kill -9 leaves."""

import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import pytest
from cs import CloudStack

ROOT = pathlib.Path(__file__).resolve().parents[3]
CONTROL = ROOT / "build" / "lab" / "migratekit-lab"
SIMULATORS = ("vcenter", "cloudstack")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root rights")


@pytest.fixture(scope="session", autouse=True)
def built():
    subprocess.run([ROOT / "lab" / "build", "vcenter", "cloudstack", "control"], check=True, timeout=600)


class Lab:
    def __init__(self, folder):
        self.state = pathlib.Path(folder).resolve() / "lab"

    def run(self, *arguments, code=0):
        run = subprocess.run([CONTROL, "--state", self.state, *arguments], capture_output=True, text=True, timeout=180)
        assert run.returncode == code, f"{arguments}: exit code {run.returncode}\n{run.stdout}\n{run.stderr}"
        return run

    def up(self):
        return self.run("up", "--no-guests")

    def status(self, code=0):
        return json.loads(self.run("status", "--json", code=code).stdout)

    def process_ids(self):
        """The simulators' own processes, by the identifiers that status reports."""
        return {entry["name"]: entry["pid"] for entry in self.status()["simulators"]}

    def kill(self, *simulators):
        ids = self.process_ids()
        for name in simulators:
            os.kill(ids[name], signal.SIGKILL)

    def processes(self):
        """Everything alive that names one of this lab's simulator folders, found without the program under test."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if any(f"{self.state}/{name}" in line for name in SIMULATORS):
                found.append(line)
        return found

    def loops(self):
        found = []
        for backing in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
            try:
                if backing.read_text().startswith(f"{self.state}/"):
                    found.append("/dev/" + backing.parent.parent.name)
            except OSError:
                continue
        return found

    def sockets(self):
        return [path for path in self.state.rglob("*") if stat.S_ISSOCK(path.lstat().st_mode)]

    def cloud(self):
        endpoint = json.loads((self.state / "lab.json").read_text())["cloudstack"]
        secret = pathlib.Path(endpoint["secret_key_file"]).read_text().strip()
        return endpoint, CloudStack(endpoint=endpoint["url"], key=endpoint["api_key"], secret=secret, timeout=30,
                                    poll_interval=0.2, job_timeout=60)

    def attach_volume(self):
        endpoint, cloud = self.cloud()
        volume = cloud.createVolume(name="debris", zoneid=endpoint["zone_id"], size=1,
                                    diskofferingid=endpoint["disk_offering_id"], fetch_result=True)["volume"]
        cloud.attachVolume(id=volume["id"], virtualmachineid=endpoint["appliance_vm_id"], fetch_result=True)
        return volume["id"]


@pytest.fixture
def make_lab():
    """Labs in short folders (unix sockets have short names) that are stopped whatever happens."""
    labs = []

    def make():
        folder = tempfile.mkdtemp(prefix="lab-")
        labs.append((Lab(folder), folder))
        return labs[-1][0]

    yield make
    for lab, folder in labs:
        subprocess.run([CONTROL, "down", "--state", lab.state], timeout=120, check=False)
        shutil.rmtree(folder)


@pytest.fixture
def lab(make_lab):
    lab = make_lab()
    lab.up()
    return lab


def test_up_tells_where_everything_is(lab):
    assert lab.status()["up"]
    description = lab.state / "lab.json"
    assert stat.S_IMODE(description.stat().st_mode) == 0o600
    merged = json.loads(description.read_text())
    for name in SIMULATORS:
        assert merged[name] == json.loads((lab.state / name / "endpoint.json").read_text())
    script = lab.run("env").stdout + 'printf "%s %s" "$MIGRATEKIT_LAB_VCENTER_URL" "$MIGRATEKIT_LAB_CLOUDSTACK_URL"'
    urls = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert urls == [merged[name]["url"] for name in SIMULATORS]


def test_up_again_leaves_what_runs_alone(lab):
    before = lab.process_ids()
    lab.up()
    assert lab.process_ids() == before


@pytest.mark.parametrize("victim", SIMULATORS)
def test_up_after_a_crash_starts_only_what_is_missing(lab, victim):
    before = lab.process_ids()
    lab.kill(victim)
    report = lab.status(code=1)
    assert {entry["name"]: entry["up"] for entry in report["simulators"]} == {n: n != victim for n in SIMULATORS}
    lab.up()
    after = lab.process_ids()
    assert {name for name in SIMULATORS if after[name] != before[name]} == {victim}


def test_down_removes_what_it_started_and_can_be_repeated(lab):
    lab.run("down")
    assert (lab.processes(), lab.loops(), lab.sockets()) == ([], [], [])
    assert not (lab.state / "lab.json").exists()
    lab.status(code=1)
    lab.run("down")


def eventually(condition, why, limit=10):
    """Waits until condition() holds; something else drives the change."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, why
        time.sleep(0.05)


@as_root
def test_down_removes_what_a_crash_left(lab):
    lab.attach_volume()
    assert len(lab.loops()) == 1
    lab.kill(*SIMULATORS)
    # The simulators' children usually die with them; one that did not is played by a process of the same kind.
    orphan = subprocess.Popen(["qemu-storage-daemon", "--chardev", f"socket,id=m,path={lab.state}/vcenter/m,server=on,wait=off",
                               "--monitor", "m"])
    try:
        eventually(lambda: lab.processes() and lab.loops() and lab.sockets(), "the crash must leave something, or this proves nothing")
        lab.run("down")
        assert orphan.wait(timeout=10) is not None
    finally:
        orphan.kill()
        orphan.wait()
    assert (lab.processes(), lab.loops(), lab.sockets()) == ([], [], [])
    assert list((lab.state / "cloudstack" / "by-id").iterdir()) == []


@as_root
def test_attached_volumes_come_back_after_a_crash(lab):
    volume = lab.attach_volume()
    link = lab.state / "cloudstack" / "by-id" / ("virtio-" + volume.replace("-", "")[:20])
    lab.kill("cloudstack")
    lab.up()
    assert str(link.resolve()) in lab.loops()


@as_root
def test_down_names_who_holds_a_device(lab):
    lab.attach_volume()
    with open(lab.loops()[0], "rb"):
        refused = lab.run("down", code=1)
        assert f"process {os.getpid()}" in refused.stderr
    lab.run("down")
    assert lab.loops() == []


def test_down_spares_processes_that_only_mention_the_lab(lab):
    bystander = subprocess.Popen(["tail", "-f", lab.state / "cloudstack" / "endpoint.json"], stdout=subprocess.DEVNULL)
    try:
        lab.run("down")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_down_works_when_the_folder_was_deleted(lab):
    shutil.rmtree(lab.state)
    lab.run("down")
    assert (lab.processes(), lab.loops()) == ([], [])


def test_two_labs_do_not_disturb_each_other(make_lab):
    one, two = make_lab(), make_lab()
    two.state = two.state.parent.parent / (one.state.parent.name + "2") / "lab"  # its name begins like the first one's
    two.state.parent.mkdir()
    try:
        one.up()
        two.up()
        before = two.process_ids()
        one.run("down")
        assert two.process_ids() == before and one.processes() == []
    finally:
        two.run("down")
        shutil.rmtree(two.state.parent)


def test_reset_empties_the_lab_and_starts_it_again(lab):
    endpoint, cloud = lab.cloud()
    cloud.createVolume(name="gone", zoneid=endpoint["zone_id"], size=1, diskofferingid=endpoint["disk_offering_id"],
                       fetch_result=True)
    lab.run("reset", "--no-guests")
    assert lab.status()["up"]
    _, cloud = lab.cloud()
    assert not [v for v in cloud.listVolumes(listall=True, fetch_list=True) if v["name"] == "gone"]


def test_reset_of_a_stopped_lab_leaves_it_stopped(lab):
    lab.run("down")
    lab.run("reset")
    assert lab.processes() == []


def test_faults_are_listed_switched_on_and_cleared(lab):
    assert set(json.loads(lab.run("fault", "list", "--json").stdout)) == set(SIMULATORS)
    quiet = lab.run("fault", "list").stdout
    assert "slow_tasks" in quiet and "fail_command" in quiet and "ON:" not in quiet
    lab.run("fault", "vcenter", "slow_tasks", "seconds=2")
    lab.run("fault", "cloudstack", "fail_command", "command=listZones", "code=431")
    assert lab.run("fault", "list").stdout.count("ON:") == 2
    lab.run("fault", "clear")
    assert lab.run("fault", "list").stdout == quiet
    assert "no_such_fault" in lab.run("fault", "vcenter", "no_such_fault", code=1).stderr


@pytest.mark.parametrize("arguments", [(), ("fly",), ("up", "now"), ("status", "--colour"), ("fault",),
                                       ("fault", "vcenter"), ("fault", "esxi", "x"), ("op", "vcenter", "write", "x")])
def test_wrong_use_is_told_apart(make_lab, arguments):
    assert make_lab().run(*arguments, code=2).stderr


def test_a_folder_with_other_things_is_refused(make_lab):
    lab = make_lab()
    lab.state.mkdir()
    (lab.state / "thesis.txt").write_text("mine")
    assert "no lab" in lab.run("up", "--no-guests", code=1).stderr
    lab.run("reset")
    assert (lab.state / "thesis.txt").read_text() == "mine"


def test_a_simulator_that_does_not_start_says_why(make_lab, tmp_path):
    lab = make_lab()
    assert "lab/build" in lab.run("up", "--no-guests", "--programs", tmp_path, code=1).stderr
    broken = tmp_path / "lab-vcenter"
    broken.write_text("#!/bin/sh\necho the datastore is on fire >&2\nexit 3\n")
    broken.chmod(0o755)
    assert "on fire" in lab.run("up", "--no-guests", "--programs", tmp_path, code=1).stderr
    lab.status(code=1)
