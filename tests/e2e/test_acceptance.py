"""The acceptance criteria of the inventory, on a running machine with two disks: the story of the product
(scripts/lib/story.py), a test for each of its steps, in their order. A name says which criteria (BB) are proven.

Elsewhere: BB3 and BB8, and BB14 for a system of unknown label, in test_single_disk.py; BB10 in tests/faults.
"""

import pytest

from story import Story

STEPS = [name for name, _, _ in Story.STEPS]
passed = []


def tell(story, name):
    """Runs one step; all earlier ones must have gone well."""
    if passed != STEPS[:STEPS.index(name)]:
        pytest.fail(f"an earlier step failed; the story cannot go on with '{name}'")
    assert story.run_step(name)["ok"]
    passed.append(name)


def test_discovery(story):
    tell(story, "discover")


def test_first_sync(story):
    tell(story, "first-sync")


def test_bb13_both_disks_are_incremental(story):
    """BB13: both disks, each with a change id of its own."""
    tell(story, "increment-1")
    tell(story, "increment-2")


def test_bb1_bb5_bb9_test_failover(story):
    """BB1: both volumes have a snapshot, ready, with its own id, in mode failover. BB5: processors, memory, root is disk 0
    and data disk 1, for the cloud and for the guest. BB9: job record, snapshot ids, drivers, machine, attachment, boot."""
    tell(story, "test-failover")


def test_bb2_bb4_bb6_bb12_rollback(story):
    """BB2: both disks are destroyed in the test and equal the recovery point afterwards. BB4: no snapshot is left.
    BB6: both are back at the appliance. BB12: under the names they had."""
    tell(story, "rollback")


def test_bb15_rollback_shows_its_ten_steps(story):
    """BB15: ten steps, and a progress that rises to 100."""
    rollback = next(j for j in story.site.api("GET", "/api/v1/jobs")[1]["jobs"] if j["operation"] == "rollback")
    shown = story.job(rollback["job_id"])
    assert [s["name"] for s in shown["steps"]] == [
        "ossea-client-initialization", "failover-job-retrieval", "test-vm-shutdown", "volume-detachment",
        "cloudstack-snapshot-rollback", "cloudstack-snapshot-deletion", "volume-reattachment-to-oma", "test-vm-deletion",
        "failover-job-status-update", "vm-context-status-update"]
    assert all(s["status"] == "completed" for s in shown["steps"])
    assert story.percents == sorted(story.percents) and story.percents[0] < 100 and story.percents[-1] == 100


def test_bb11_bb13_replication_goes_on(story):
    """BB11: the replica can be written again. BB13: with an increment."""
    tell(story, "increment-3")


def test_bb7_bb14_live_failover(story):
    """BB7: the machine boots with both disks and their data. BB14: with what the source wrote last."""
    tell(story, "live-failover")


def test_every_object_is_accounted_for(story):
    tell(story, "accounting")
    assert passed == STEPS


def test_increments_send_about_what_changed(story):
    """BB16, DD 35: an increment handles what the guest wrote, not the disks.

    How much that is depends on how long the guest ran, so the bound is a part of the disks; that exactly the changed
    areas are read and sent is asserted where a test does the writing (tests/integration/vma).
    """
    capacity = sum(d["capacity"] for d in story.machine()["disks"])
    increments = [p for p in story.recovery_points() if p["disks"][0]["incremental"]]
    assert increments
    for point in increments:
        changed = sum(d["bytes_changed"] for d in point["disks"])
        assert sum(d["bytes_sent"] for d in point["disks"]) <= changed
        assert changed < capacity / 2


def test_the_move_can_be_undone(story):
    """After the live failover: back to the source, which starts again; the next increment is one."""
    story.site.cli("failover", "back", story.name, "--confirm", story.name, "--wait")
    assert story.machine()["status"] == "ready_for_failover"
    assert story.source_power() == "poweredOn"
    story.increment()
    story.nothing_is_left()
