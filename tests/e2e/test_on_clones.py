"""A test failover on clones (docs/failover.md section 3): the replicas stay at the appliance and increments go on while the
test lasts; it ends by its timer, which was moved once. Meanwhile another machine is moved for good (test_single_disk.py).

The tests are one sequence.
"""

import datetime

import pytest

from installation import wait_for
from story import PROBE

ROLLBACK_AFTER_S = 15
EXTENSION_S = 25


def attachments(site, volumes):
    """How often each volume was detached from something so far."""
    detached = [j["instance"] for j in site.control("cloudstack")["jobs"] if j["command"] == "detachVolume"]
    return {v["volume_id"]: detached.count(v["volume_id"]) for v in volumes}


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


@pytest.fixture(scope="module")
def replicated(story):
    """The running machine with two disks, replicated and ready."""
    if story.name not in {m["name"] for m in story.site.cli_json("vm", "list")["vms"]}:
        story.discover()
        story.first_sync()
    assert story.machine()["status"] == "ready_for_failover"
    return story


@pytest.fixture(scope="module")
def test_run(replicated, single_move):
    """The test on clones of the newest recovery point, begun and extended."""
    story = replicated
    before = {"point": story.recovery_points()[0], "volumes": story.volumes(), "detached": attachments(story.site, story.volumes())}
    story.site.cli("failover", "test", story.name, "--on-clones", "--skip-inspection", "--probe", PROBE,
                   "--rollback-after", f"{ROLLBACK_AFTER_S}s", "--wait")
    ends = instant(story.machine()["failover"]["rollback_at"])
    extended = story.site.cli_json("failover", "extend", story.name, "--by", f"{EXTENSION_S}s")
    assert (instant(extended["rollback_at"]) - ends).total_seconds() == EXTENSION_S
    return before


def test_the_guest_on_the_clones_has_the_recovery_point(replicated, test_run):
    machine = replicated.machine()
    assert machine["status"] == "failed_over_test"
    marker = replicated.healthy_marker(machine["failover"])
    assert marker["sum"] == replicated.expected_sum(test_run["point"])
    assert (marker["root"][:8], marker["data"][:8]) == ("/dev/vda", "/dev/vdb")


def test_the_replicas_left_the_appliance_for_the_snapshot_alone(replicated, test_run):
    replicas = {v["volume_id"] for v in test_run["volumes"]}
    used = replicated.cloud().volumes_at(replicated.machine()["failover"]["destination_vm_id"])
    assert len(used) == 2 and not {v["id"] for v in used.values()} & replicas
    volumes = replicated.volumes()
    assert {v["volume_id"]: v["symlink_path"] for v in volumes} == {v["volume_id"]: v["symlink_path"] for v in test_run["volumes"]}
    assert {v["operation_mode"] for v in volumes} == {"oma"}
    now = attachments(replicated.site, volumes)
    assert {v: now[v] - test_run["detached"][v] for v in replicas} == {v: 1 for v in replicas}


def test_an_increment_arrives_during_the_test(replicated, test_run):
    replicated.wait_for_writes(1)
    replicated.sync(incremental=True)
    point = replicated.recovery_points()[0]
    assert point["id"] != test_run["point"]["id"]
    # The guest on the clones was not touched by it.
    failover = replicated.machine()["failover"]
    assert replicated.booted_marker(failover)["sum"] == replicated.expected_sum(test_run["point"])
    assert failover["recovery_point_id"] == test_run["point"]["id"]


def test_the_timer_rolls_back_when_the_extended_time_is_over(replicated, test_run):
    test_job = replicated.machine()["failover"]["job_id"]
    wait_for("the rollback by itself", lambda: replicated.machine()["status"] == "ready_for_failover", 240, 1)
    jobs = replicated.site.api("GET", f"/api/v1/jobs?vm={replicated.machine()['context_id']}")[1]["jobs"]
    rollback = next(j for j in jobs if j["operation"] == "rollback")
    assert rollback["status"] == "completed", rollback
    lasted = instant(rollback["created_at"]) - instant(replicated.job(test_job)["completed_at"])
    assert lasted.total_seconds() >= ROLLBACK_AFTER_S + EXTENSION_S - 1


def test_nothing_of_the_test_is_left(replicated, test_run, single_move):
    replicated.follow(single_move)  # what it makes is in the ledger only when it has been made
    replicated.nothing_of_a_test_is_left()
    replicated.nothing_is_left()
    volumes = {v["id"] for v in replicated.site.control("cloudstack")["volumes"] if replicated.name in v["name"]}
    assert volumes == {v["volume_id"] for v in test_run["volumes"]}


def test_the_next_sync_is_incremental(replicated):
    replicated.increment()
