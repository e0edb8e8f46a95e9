"""Five machines whose guest preparation hangs at once: whatever ends the hanging, each needs one action to be ready again, and
nothing is left behind."""

import os
import signal

import pytest

from installation import wait_for
from matrix.kinds import CLEANUP, KINDS
from matrix.subject import WELL, Subject, make_site_of_pairs, require

NAMES = [f"pair-{number}" for number in range(1, 6)]


class Estate:
    def __init__(self):
        self.site, self.tools = make_site_of_pairs()
        self.machines = [Subject(self.site, self.tools, name) for name in NAMES]
        self.baseline = self.machines[0].objects()

    def all_hang(self):
        """Starts a test of every machine; the guest tools of all of them hang in the middle of their work."""
        self.tools.plan(hang="middle")
        jobs = []
        for machine in self.machines:
            job, reason = machine.start(KINDS["test-in-place"])
            require(job, reason)
            jobs.append(job)
        self.tools.wait_for_hanging(len(NAMES), 120)
        return jobs

    def ends(self, jobs):
        return [machine.end_of(job) for machine, job in zip(self.machines, jobs)]

    def one_action_each(self):
        """A machine that is not ready by itself gets one cleanup."""
        stuck = [machine for machine in self.machines if machine.becomes_free()["status"] == CLEANUP]
        cleanups = [machine.start_cleanup() for machine in stuck]
        for machine, cleanup in zip(stuck, cleanups):
            machine.was_enough(cleanup)

    def all_are_as_before(self):
        for machine in self.machines:
            assert machine.show()["status"] == "ready_for_failover"
            machine.copy_is_whole()
        assert self.machines[0].objects() == self.baseline
        assert not self.tools.running()


@pytest.fixture(scope="module")
def estate():
    estate = Estate()
    try:
        yield estate
    finally:
        estate.machines[0].end()


def test_stopped_by_the_operator(estate):
    jobs = estate.all_hang()
    for job in jobs:
        status, body = estate.site.api("POST", f"/api/v1/jobs/{job}/cancel", {})
        assert status in (200, 202), body
    estate.ends(jobs)
    estate.one_action_each()
    estate.all_are_as_before()


def test_killed_with_the_oma(estate):
    jobs = estate.all_hang()
    estate.site.kill("oma-api", signal.SIGKILL)
    wait_for("the hanging tools to end with it", lambda: not estate.tools.running(), 30)
    estate.tools.plan(fail="virt-v2v-in-place: error: this time it fails")
    estate.site.start("oma-api")
    assert all(job["status"] not in WELL for job in estate.ends(jobs))
    estate.tools.reset()
    estate.one_action_each()
    estate.all_are_as_before()


if os.environ.get("MK_FAULTS") == "all":  # the shortest limit is a minute
    def test_ended_by_the_time_limit(estate):
        with open(estate.site.state / "oma-api.toml", "a", encoding="utf-8") as configuration:
            configuration.write("limit_minutes = 1\n")  # the last section is [guest]
        estate.site.restart("oma-api", signal.SIGTERM)
        assert all(job["status"] not in WELL for job in estate.ends(estate.all_hang()))
        estate.tools.reset()
        estate.one_action_each()
        estate.all_are_as_before()
