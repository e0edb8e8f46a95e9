"""A machine with one disk, UEFI, NVMe and a label that says nothing about its operating system is moved and committed, in
the words of older clients: BB3, BB8, BB14. The tests are one sequence."""

import pytest


@pytest.fixture(scope="module")
def moved(single, single_move):
    """The machine, after its live failover."""
    single.follow(single_move)
    return single


def test_bb3_older_clients_are_understood(single, single_move):
    """BB3: vm_id and vm_name for the machine, one probe; the job was started with them."""
    for words in ({"vm_id": single.machine()["context_id"]}, {"vm_name": "single"}):
        status, checked = single.site.api("POST", "/api/v1/failover/check", {**words, "probe": "http:8080/"})
        assert status == 200 and "passed" in checked, checked
        status, problem = single.site.api("POST", "/api/v1/failover/test", {**words, "probe": "http:8080/"})
        assert status == 409, problem
    assert single.job(single_move)["type"] == "live-failover"


def test_bb8_bb14_machine_with_one_disk_boots(moved, single_move):
    """BB8: one disk. BB14: a live failover with its final sync, of a system that the label does not name."""
    job = moved.job(single_move)
    assert job["status"] == "completed", job
    machine = moved.machine()
    assert machine["status"] == "failed_over_live"
    marker = moved.booted_marker(machine["failover"])
    # Without its data disk the guest has nothing to check but that it runs from the copy of its root disk.
    assert marker["root"].startswith("/dev/vda") and not marker["data"]
    moved.machine_is_as_the_source(machine["failover"], marker)
    moved.failover_is_on_record(machine["failover"])
    assert moved.recovery_points()[0]["job_id"] == single_move


def test_a_committed_machine_keeps_its_volumes(moved):
    """Machine and volumes are the operator's from then on; there is no way back."""
    site = moved.site
    held = {d["volume_id"] for d in moved.machine()["disks"]}
    site.cli("failover", "commit", "single", "--confirm", "single", "--wait")
    assert moved.machine()["status"] == "committed"
    refused = site.run_cli("failover", "back", "single", "--confirm", "single")
    assert refused.returncode == 5, refused.stdout
    assert moved.machine()["status"] == "committed"
    context = moved.machine()["context_id"]
    site.cli("vm", "remove", "single", "--confirm", "single")

    cloud = site.control("cloudstack")
    assert held <= {v["id"] for v in cloud["volumes"] if v["state"] == "Ready"}
    assert [m["state"] for m in cloud["vms"] if m["name"] == "single"] == ["Running"]
    assert not [s for s in cloud["snapshots"] if s["volumeid"] in held and s["state"] != "Destroyed"]
    assert not [e for e in site.api("GET", "/api/v1/ledger")[1]["entries"] if e["context_id"] == context]
