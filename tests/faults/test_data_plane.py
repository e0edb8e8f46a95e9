"""A copy that is disturbed at both sites and in between: it goes on where it was, and what was wrong is found and mended."""

import os
import random
import signal

import pytest

from installation import wait_for
from sites import end_site, make_site

VM = "off-one"
BIG = 2000  # the larger disk's key
WRITTEN = 48 << 20
SLOW = "6MiB"  # per second: a copy of WRITTEN bytes can be met in the middle
ANYWHERE = 32 << 20


class Machine:
    """The machine whose copy is disturbed."""

    def __init__(self, site):
        self.site = site

    def show(self):
        return self.site.cli_json("vm", "show", VM)

    def point(self):
        return self.site.api("GET", f"/api/v1/vms/{self.show()['context_id']}/recovery-points")[1]["recovery_points"][0]

    def volume(self, key=BIG):
        volumes = self.site.api("GET", f"/api/v1/vms/{self.show()['context_id']}/volumes")[1]["volumes"]
        return next(v for v in volumes if v["disk_id"] == f"disk-{key}")

    def write(self, length=WRITTEN, offset=ANYWHERE, key=BIG):
        self.site.operate("vcenter", "write", machine=VM, disk=key, offset=offset, random="true", length=length)

    def start_slowly(self, *options):
        answer = self.site.cli_json("sync", "start", VM, "--limit", SLOW, *options)
        return answer["job_id"] if "job_id" in answer else answer["jobs"][0]["job_id"]

    def job(self, job):
        return self.site.api("GET", f"/api/v1/jobs/{job}")[1]

    def wait_for_the_middle(self, job, done=10 << 20):
        """Until a part of the bytes has arrived and a checkpoint was taken."""
        def in_the_middle():
            progress = self.job(job).get("replication") or {}
            return (progress.get("bytes_done") or 0) >= done

        wait_for("the middle of the copy", in_the_middle, 60)

    def end_of(self, job, limit=180):
        return wait_for("the job to end", lambda: (lambda j: j if j["completed_at"] else None)(self.job(job)), limit, 0.5)

    def copied_well(self):
        """The volumes hold what the source holds (the machine is off), bit by bit, says the oracle."""
        for disk in self.site.machine(VM)["disks"]:
            code, text = self.site.oracle("compare", disk["live_file"], self.volume(disk["key"])["device_path"], "--allow-zero-tail")
            assert code == 0, text

    def snapshots(self):
        return [s for m in self.site.control("vcenter")["machines"] if m["name"] == VM for s in m.get("snapshots") or []]


@pytest.fixture(scope="module")
def site(request):
    site = make_site(guests=False)
    before = request.session.testsfailed
    try:
        site.up()
        site.connect()
        site.cli("vm", "add", VM)
        site.cli("sync", "start", VM, "--wait")
        yield site
    finally:
        end_site(site, request.session.testsfailed > before)


@pytest.fixture
def machine(site):
    """Around every test: it begins and ends ready, with a copy that is right and nothing left at the source."""
    subject = Machine(site)
    site.clear_faults()
    assert subject.show()["status"] == "ready_for_failover"
    yield subject
    site.clear_faults()
    if subject.show()["job"]:
        site.cli("sync", "stop", VM)
        wait_for("the machine to be free", lambda: not subject.show()["job"], 120)
    site.cli("sync", "start", VM, "--wait")
    subject.copied_well()
    assert not subject.snapshots()


def sent_again(point):
    """What was moved beyond what had changed."""
    changed = sum(d["bytes_changed"] for d in point["disks"])
    return sum(d["bytes_sent"] for d in point["disks"]) - changed


# --- killed in the middle: the same job goes on ------------------------------------------------------------------------


def test_engine_killed(site, machine):
    machine.write()
    job = machine.start_slowly()
    machine.wait_for_the_middle(job)
    os.kill(site.engine_pids()[0], signal.SIGKILL)
    ended = machine.end_of(job)
    assert ended["status"] == "completed", ended
    assert machine.point()["job_id"] == job
    assert sum(d["bytes_resumed"] for d in machine.point()["disks"]) > 0


@pytest.mark.parametrize("service", ["vma-api", "volume-daemon", "tunnel-gateway", "tunnel-client"])
def test_service_killed(site, machine, service):
    machine.write()
    job = machine.start_slowly()
    machine.wait_for_the_middle(job)
    site.restart(service, signal.SIGKILL)
    ended = machine.end_of(job)
    assert ended["status"] == "completed", ended
    assert machine.point()["job_id"] == job


# --- ended in the middle: the next sync goes on -------------------------------------------------------------------------


def resumed_by_the_next(site, machine):
    site.cli("sync", "start", VM, "--wait")
    assert sum(d["bytes_resumed"] for d in machine.point()["disks"]) > 0
    assert sent_again(machine.point()) <= 0


def test_oma_killed(site, machine):
    machine.write()
    before = machine.point()["job_id"]
    job = machine.start_slowly()
    machine.wait_for_the_middle(job, 24 << 20)
    site.restart("oma-api", signal.SIGKILL)
    wait_for("the machine to be free", lambda: not machine.show()["job"], 120)
    assert machine.point()["job_id"] == before
    resumed_by_the_next(site, machine)


def test_stopped_by_an_operator(site, machine):
    machine.write()
    before = machine.point()["job_id"]
    job = machine.start_slowly()
    machine.wait_for_the_middle(job, 24 << 20)
    site.cli("sync", "stop", VM)
    assert machine.end_of(job)["status"] in ("failed", "cancelled")
    assert machine.point()["job_id"] == before
    # The source goes on: what changes in a part that had arrived is sent again.
    machine.write(length=1 << 20, offset=ANYWHERE)
    resumed_by_the_next(site, machine)


def test_kept_data_does_not_hinder_a_full_copy(site, machine):
    machine.write()
    job = machine.start_slowly()
    machine.wait_for_the_middle(job)
    site.cli("sync", "stop", VM)
    machine.end_of(job)
    site.cli("sync", "start", VM, "--full", "--wait")
    assert not machine.point()["disks"][0]["incremental"]


# --- the way between the sites ------------------------------------------------------------------------------------------


def test_tunnel_cut_for_a_while(site, machine):
    machine.write()
    job = machine.start_slowly()
    machine.wait_for_the_middle(job)
    site.kill("tunnel-gateway")
    pids = site.engine_pids()
    assert pids, "the copy must not die of it"
    site.start("tunnel-gateway")
    assert machine.end_of(job)["status"] == "completed"


def test_retired_appliance_is_cut_off(site, machine):
    machine.write()
    job = machine.start_slowly()
    machine.wait_for_the_middle(job)
    before = machine.point()["job_id"]
    site.cli("appliance", "retire", "vma-lab", "--force", "--confirm", "lab site")
    site.cli("sync", "stop", VM)
    ended = machine.end_of(job, 300)
    assert ended["status"] != "completed"
    assert machine.point()["job_id"] == before
    site.pair()


# --- what is wrong is found ---------------------------------------------------------------------------------------------


def spoil(site, machine, offset, length=4096):
    """Changes the replica behind everybody's back."""
    with open(machine.volume()["device_path"], "r+b") as device:
        device.seek(offset)
        device.write(random.Random(offset).randbytes(length))
        device.flush()
        os.fsync(device.fileno())


def test_verify_finds_and_compare_repairs(site, machine):
    site.cli("sync", "verify", VM, "--wait")
    spoil(site, machine, 151 << 20)
    spoil(site, machine, 100 << 20)
    completed = site.run_cli("sync", "verify", VM, "--wait")
    assert completed.returncode == 10, completed.stdout + completed.stderr
    before = machine.point()["job_id"]
    repaired = site.run_cli("sync", "start", VM, "--compare", "--wait")
    assert repaired.returncode == 7, "a repair is told, as a warning: " + repaired.stderr
    assert machine.point()["job_id"] != before
    # Only the leaves that differed were sent.
    assert sum(d["bytes_sent"] for d in machine.point()["disks"]) <= 2 << 20
    site.cli("sync", "start", VM, "--wait")  # compares everything once more, because something had been wrong
    site.cli("sync", "verify", VM, "--wait")
    machine.copied_well()


def test_lost_change_tracking_is_compared(site, machine):
    machine.write(length=1 << 20)
    site.fault("vcenter", "cbt_reset", machine=VM)
    site.cli("sync", "start", VM, "--wait")
    sent = sum(d["bytes_sent"] for d in machine.point()["disks"])
    assert sent <= 3 << 20, "what both sides hold already must not be sent"
    machine.copied_well()


def test_verification_fails_on_a_damaged_target(site, machine):
    """What arrived is spoilt before it is read back: no recovery point comes of it."""
    machine.write(length=8 << 20)
    before = machine.point()["job_id"]
    job = machine.start_slowly()
    machine.wait_for_the_middle(job, 6 << 20)
    overlay = max(site.staging.glob("*.data"), key=lambda path: path.stat().st_blocks)
    with open(overlay, "r+b") as data:
        data.seek(ANYWHERE + (1 << 20))
        data.write(b"\x00" * 4096)
    ended = machine.end_of(job)
    assert ended["status"] == "failed", ended
    assert ended["error"]["consequence"] and ended["error"]["remedy"]
    assert machine.point()["job_id"] == before
