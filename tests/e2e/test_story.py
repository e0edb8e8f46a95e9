"""The whole story of the product on real disks with real guests (scripts/lib/story.py), one test per step.

Inventory: BB1, BB4, BB5, BB6, BB7, BB9, BB11, BB13, BB14, BB15, BB16.
"""

import pytest

from story import Story

STEPS = [name for name, _, _ in Story.STEPS]
passed = []


@pytest.fixture(scope="module")
def story(beacon_site):
    return Story(beacon_site, print)


@pytest.mark.parametrize("name", STEPS)
def test_story(story, name):
    index = STEPS.index(name)
    if passed != STEPS[:index]:
        pytest.fail(f"an earlier step failed; the story cannot go on with '{name}'")
    entry = story.run_step(name)
    assert entry["ok"]
    passed.append(name)


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


def test_rollback_shows_its_ten_steps(story):
    """H1, H2, BB15."""
    jobs = story.site.api("GET", "/api/v1/jobs")[1]["jobs"]
    rollback = next(j for j in jobs if j["operation"] == "rollback")
    shown = story.site.api("GET", f"/api/v1/jobs/{rollback['job_id']}")[1]
    assert [s["name"] for s in shown["steps"]] == [
        "ossea-client-initialization", "failover-job-retrieval", "test-vm-shutdown", "volume-detachment",
        "cloudstack-snapshot-rollback", "cloudstack-snapshot-deletion", "volume-reattachment-to-oma", "test-vm-deletion",
        "failover-job-status-update", "vm-context-status-update"]
    assert shown["percent"] == 100
    assert all(s["status"] == "completed" for s in shown["steps"])


def test_the_move_can_be_undone(story):
    """After the live failover: back to the source, which starts again; the next increment is one."""
    site = story.site
    site.cli("failover", "back", story.MACHINE, "--confirm", story.MACHINE, "--wait")
    assert story.machine()["status"] == "ready_for_failover"
    source = next(m for m in site.control("vcenter")["machines"] if m["name"] == story.MACHINE)
    assert source["power"] == "poweredOn"
    story.increment()
    story.nothing_is_left()
