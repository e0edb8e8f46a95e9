"""What an operator can stop, and what becomes of it: a test, a live failover before and after its point of no return, a
machine that does not boot. The machine has two disks without an operating system, so its drivers cannot be added, which is a
warning in a live failover (G11)."""

import concurrent.futures

import pytest

from installation import wait_for
from witness import Witness

VM = "beacon"  # without guests it is a running machine with blank disks, whose tools answer
SILENT = "tcp:9"  # nobody answers there


@pytest.fixture(scope="module")
def witness(quick_site):
    quick_site.operate("vcenter", "write", machine=VM, disk=2000, offset=0, random="true", length=1 << 20)
    quick_site.operate("vcenter", "write", machine=VM, disk=2001, offset=0, random="true", length=1 << 20)
    quick_site.cli("vm", "add", VM)
    quick_site.cli("sync", "start", VM, "--wait")
    return Witness(quick_site, VM)


def content(witness):
    """SHA-256 of every volume's device, read by the oracle."""
    return {v["disk_id"]: witness.site.oracle("digest", v["device_path"])[1] for v in witness.volumes()}


@pytest.fixture(autouse=True)
def all_is_as_before(witness):
    """Around every test: the copy is the recovery point, nothing is left, the source runs."""
    held = content(witness)
    yield
    witness.site.clear_faults()
    assert witness.machine()["status"] == "ready_for_failover"
    assert content(witness) == held
    witness.nothing_of_a_test_is_left()
    assert not [m for m in witness.site.control("cloudstack")["vms"] if m["name"] == VM and m["state"] != "Expunging"]
    assert witness.source_power() == "poweredOn"


def start(witness, *arguments):
    return witness.site.cli_json("failover", *arguments)["job_id"]


def held_snapshot(witness, *arguments):
    """Starts a failover and stops its first snapshot in the middle; returns the job."""
    witness.site.fault("cloudstack", "hold", command="createSnapshot", at="transitional")
    job = start(witness, *arguments)
    wait_for("the snapshot", lambda: "createSnapshot" in witness.site.operate("cloudstack", "hold_wait", ms=20000), 90)
    return job


def stop(witness, job):
    """Stops it, lets the cloud go on, and waits until all is settled."""
    witness.site.cli("job", "cancel", job)
    witness.site.operate("cloudstack", "hold_release")
    wait_for("the rollback", lambda: not witness.machine()["current_job_id"] and witness.job(job)["completed_at"]
             and witness.machine()["status"] not in ("failing_over_test", "failing_over_live", "rolling_back"), 180, 0.5)


def test_a_stopped_test_is_rolled_back_by_itself(witness):
    job = held_snapshot(witness, "test", VM, "--skip-inspection")
    stop(witness, job)
    assert witness.job(job)["status"] in ("cancelled", "failed")


def test_a_stopped_move_starts_the_source_again(witness):
    """Before its point of no return."""
    job = held_snapshot(witness, "live", VM, "--confirm", VM, "--skip-inspection")
    assert witness.source_power() == "poweredOff"
    stop(witness, job)
    assert witness.job(job)["status"] in ("cancelled", "failed")
    assert witness.source_power() == "poweredOn"
    witness.site.cli("sync", "start", VM, "--wait")
    assert all(d["incremental"] for d in witness.recovery_points()[0]["disks"])


def test_after_the_point_of_no_return_there_is_no_stop(witness):
    """And a boot that nobody could prove is no success: the job fails, one command takes everything back."""
    job = start(witness, "live", VM, "--confirm", VM, "--skip-inspection", "--probe", SILENT, "--boot-limit", "10s")
    wait_for("the machine to run", lambda: any(
        m["name"] == VM and m["state"] == "Running" for m in witness.site.control("cloudstack")["vms"]), 180)
    refused = witness.site.run_cli("job", "cancel", job)
    assert refused.returncode == 5, refused.stdout + refused.stderr
    assert "failover back" in refused.stderr or "cleanup" in refused.stderr
    waited = witness.site.run_cli("job", "wait", job)
    assert waited.returncode == 6
    machine = witness.machine()
    assert machine["failover"]["boot_verdict"] == "failed" and machine["status"] == "cleanup_required"
    witness.site.cli("cleanup", "run", VM, "--wait")


def test_two_operators_at_once(witness):
    """Exactly one of them gets it; the other is told by whom it is taken."""
    witness.site.fault("cloudstack", "hold", command="createSnapshot", at="transitional")
    body = {"context_id": VM, "inspect_guest": False}
    with concurrent.futures.ThreadPoolExecutor(2) as operators:
        answers = list(operators.map(lambda _: witness.site.api("POST", "/api/v1/failover/test", body), range(2)))
    assert sorted(status for status, _ in answers) == [202, 409], answers
    refusal = next(answer for status, answer in answers if status == 409)
    assert refusal["remedy"], refusal
    job = next(answer["job_id"] for status, answer in answers if status == 202)
    for other in (("sync", "start", VM), ("failover", "live", VM, "--confirm", VM), ("cleanup", "run", VM), ("sync", "verify", VM),
                  ("vm", "remove", VM, "--confirm", VM)):
        assert witness.site.run_cli(*other).returncode == 5, other
    wait_for("the snapshot", lambda: "createSnapshot" in witness.site.operate("cloudstack", "hold_wait", ms=20000), 90)
    stop(witness, job)
