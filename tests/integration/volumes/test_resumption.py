"""A session outlives the job that opened it: another job goes on with what arrived."""

import os
import subprocess

import nbd as libnbd
import pytest

from daemonlab import GIB, MIB, Refused, holds, nbd, run_digest


def put(session, number, flush=True):
    data = os.urandom(MIB)
    client = nbd(session["nbd_uri"])
    client.pwrite(data, number * 10 * MIB)
    if flush:
        client.flush()
    client.shutdown()
    return {number * 10 * MIB: data}


def sessions_of(daemon, job, volume):
    return [s for s in daemon.call("GET", f"/api/v1/write-sessions?job_id={job}")["sessions"] if s["volume_id"] == volume]


@pytest.mark.parametrize("kind", ["direct", "staged"])
def test_next_job_goes_on_with_everything_that_arrived(daemon, cloud, volume, kind):
    first = daemon.open(volume, kind, "job-a")
    expected = put(first, 0, flush=False)
    client = nbd(first["nbd_uri"])
    second = daemon.open(volume, kind, "job-b", resume_of="job-a")
    assert second == {**first, "job_id": "job-b", "has_writes": True}
    with pytest.raises(libnbd.Error):
        client.pwrite(b"late" * 128, 0)
    client = nbd(second["nbd_uri"])
    assert client.pread(MIB, 0) == expected[0]
    assert daemon.open(volume, kind, "job-b") == second
    with pytest.raises(libnbd.Error):
        client.pwrite(b"late" * 128, 0)
    assert sessions_of(daemon, "job-a", volume) == [] and sessions_of(daemon, "job-b", volume) == [second]
    expected |= put(second, 1)
    third = daemon.open(volume, kind, "job-c", resume_of="job-b")
    result = daemon.commit(third)
    assert holds(cloud, volume, expected)
    assert result["digest"] == daemon.side_digest(volume)


def test_only_the_named_job_is_followed(daemon, volume):
    session = daemon.open(volume, "staged", "job-a")
    for resume_of in (None, "job-x"):
        with pytest.raises(Refused) as refused:
            daemon.open(volume, "staged", "job-b", resume_of=resume_of)
        assert refused.value.status == 409 and "job-a" in refused.value.problem["detail"]
    assert daemon.open(volume, "staged", "job-a") == session


def test_without_a_session_to_follow_a_new_one_is_opened(daemon, volume):
    aborted = daemon.open(volume, "staged", "job-a")
    daemon.call("DELETE", f"/api/v1/write-sessions/{aborted['session_id']}")
    session = daemon.open(volume, "staged", "job-b", resume_of="job-a")
    assert session["session_id"] != aborted["session_id"] and not session["has_writes"]


@pytest.mark.parametrize("kind, length", [("staged", GIB - MIB), ("direct", GIB)])
def test_session_of_another_shape_is_aborted_and_a_new_one_opened(daemon, volume, kind, length):
    """The disk grew, or the plan is another: what arrived cannot be used."""
    old = daemon.open(volume, "staged", "job-a")
    put(old, 0)
    new = daemon.open(volume, kind, "job-b", length=length, resume_of="job-a")
    assert new["session_id"] != old["session_id"] and new["length"] == length and new["kind"] == kind
    assert [s["state"] for s in sessions_of(daemon, "job-a", volume)] == ["aborted"]
    assert not list(daemon.staging.glob(old["session_id"] + "*"))


def test_session_is_followed_into_a_job_whose_own_one_was_aborted(daemon, volume):
    mine = daemon.open(volume, "staged", "job-b")
    daemon.call("DELETE", f"/api/v1/write-sessions/{mine['session_id']}")
    old = daemon.open(volume, "staged", "job-a")
    assert daemon.open(volume, "staged", "job-b", resume_of="job-a")["session_id"] == old["session_id"]


@pytest.mark.parametrize("kind", ["direct", "staged"])
def test_followed_session_survives_the_daemon(own, cloud, context, kind):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    first = daemon.open(volume, kind, "job-a", expect_zero=True)
    expected = put(first, 0)
    second = daemon.open(volume, kind, "job-b", expect_zero=True, resume_of="job-a")
    expected |= put(second, 1)

    def description():
        return subprocess.run(["nbdinfo", "--json", daemon.open(volume, kind, "job-b")["nbd_uri"]], check=True,
                              capture_output=True, text=True).stdout.split('"description": "')[1].split('"')[0]
    before = description()
    assert description() == before
    daemon.kill()
    daemon.start()
    assert description() != before, "what was not flushed may be gone"
    third = daemon.open(volume, kind, "job-c", expect_zero=True, resume_of="job-b")
    assert third["session_id"] == first["session_id"] and third["has_writes"]
    assert third["target_is_zero"] == (kind == "direct")
    expected |= put(third, 2)
    verified = daemon.do("POST", f"/api/v1/write-sessions/{third['session_id']}/verify", {"ranges": [
        {"offset": offset, "length": MIB, "digest": run_digest(data, offset)} for offset, data in expected.items()]})
    assert verified == {"mismatches": []}
    result = daemon.commit(third)
    assert holds(cloud, volume, expected) and result["digest"] == daemon.side_digest(volume)


def test_every_kill_while_jobs_follow_each_other_keeps_what_was_flushed(own, cloud, context):
    """Killed while a client writes without flushing, once per job; each next job follows and writes on."""
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    expected = {}
    job = None
    for number in range(6):
        session = daemon.open(volume, "staged", f"job-{number}", resume_of=job)
        job = f"job-{number}"
        expected |= put(session, number)
        client = nbd(session["nbd_uri"])
        for piece in range(number):  # over what is durable, and not flushed: either content is right afterwards
            client.pwrite(expected[piece * 10 * MIB], piece * 10 * MIB)
            client.pwrite(os.urandom(MIB), (50 + piece) * 10 * MIB)
        daemon.kill()
        del client
        daemon.start()
    session = daemon.open(volume, "staged", "job-last", resume_of=job)
    result = daemon.commit(session)
    assert holds(cloud, volume, expected) and result["digest"] == daemon.side_digest(volume)
    assert not list(daemon.staging.iterdir())
