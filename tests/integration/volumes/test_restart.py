"""The daemon dies in the middle of things, and comes back."""

import os
import shutil
import time

import pytest

from daemonlab import GIB, MIB, Failed, Refused, holds, nbd, wait_for


def filled_session(daemon, volume, pieces=24, job="job-inc"):
    """A staged session with pieces of 8 MiB, flushed; returns it and what the volume must hold after the commit."""
    session = daemon.open(volume, "staged", job)
    client = nbd(session["nbd_uri"])
    expected = {}
    for number in range(pieces):
        data = os.urandom(8 * MIB)
        client.pwrite(data, number * 40 * MIB)
        expected[number * 40 * MIB] = data
    client.flush()
    client.shutdown()
    return session, expected


def half_applied(daemon, cloud, volume):
    """A commit that was killed in the middle of its apply: session, what the volume must hold, the operation. The apply is fast:
    where it was over before the kill, it is tried again."""
    for attempt in range(10):
        session, expected = filled_session(daemon, volume, job=f"job-{attempt}")
        operation = daemon.begin("POST", f"/api/v1/write-sessions/{session['session_id']}/commit", {})
        deadline = time.monotonic() + 60
        while not any(holds(cloud, volume, {offset: data[:4096]}) for offset, data in expected.items()):
            assert time.monotonic() < deadline, "the apply does not begin"
        daemon.kill()
        if not holds(cloud, volume, expected):
            return session, expected, operation
        daemon.start()
        daemon.commit(session)
    raise AssertionError("the apply was always over before the kill")


def test_commit_that_is_killed_in_the_middle_of_its_apply_is_finished_by_the_next_start(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    session, expected, operation = half_applied(daemon, cloud, volume)
    daemon.start()
    assert daemon.call("GET", f"/api/v1/operations/{operation}")["state"] in ("interrupted", "completed")
    result = daemon.commit(session)
    assert holds(cloud, volume, expected)
    assert result["digest"] == daemon.digest(volume) == daemon.side_digest(volume)
    assert not list(daemon.staging.iterdir())


def test_every_kill_during_a_commit_ends_in_the_committed_content(own, cloud, context):
    """Kills at growing delays after the commit was asked for: before, within and after the seal, the apply, the digest."""
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    for number, polls in enumerate((0, 1, 2, 4, 8, 16)):
        session, expected = filled_session(daemon, volume, 6, f"job-{number}")
        operation = daemon.begin("POST", f"/api/v1/write-sessions/{session['session_id']}/commit", {})
        for _ in range(polls):
            daemon.call("GET", f"/api/v1/operations/{operation}")
        daemon.kill()
        daemon.start()
        daemon.commit(session)
        assert holds(cloud, volume, expected)
        assert daemon.digest(volume) == daemon.side_digest(volume)


def test_flushed_data_of_an_open_session_survives_the_daemon(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    session, expected = filled_session(daemon, volume, 3)
    daemon.kill()
    daemon.start()
    again = daemon.open(volume, "staged", "job-inc")
    assert again["session_id"] == session["session_id"] and again["state"] == "open"
    client = nbd(again["nbd_uri"])
    assert all(client.pread(len(data), offset) == data for offset, data in expected.items())
    client.shutdown()
    daemon.commit(again)
    assert holds(cloud, volume, expected)


def states_of(daemon, job):
    return [s["state"] for s in daemon.call("GET", f"/api/v1/write-sessions?job_id={job}")["sessions"]]


def test_session_whose_overlay_is_gone_is_aborted_by_the_next_opening(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    session = daemon.open(volume, "staged")
    daemon.kill()
    shutil.rmtree(daemon.staging)
    daemon.start()
    assert states_of(daemon, "job-1") == ["open"]
    following = daemon.open(volume, "staged", "job-2", resume_of="job-1")
    assert following["session_id"] != session["session_id"] and not following["has_writes"]
    assert states_of(daemon, "job-1") == ["aborted"] and states_of(daemon, "job-2") == ["open"]


@pytest.mark.parametrize("what", ["device", "staging"])
def test_open_session_outlives_a_start_that_cannot_open_it(own, cloud, context, what):
    """It may be the rest of a recovery point that is recorded already: a commit finishes it once everything is there."""
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    session, expected = filled_session(daemon, volume, 3)
    daemon.kill()
    if what == "device":
        daemon.settings["device_directory"] = str(daemon.folder / "no-devices")
        daemon.settings["sysfs_block"] = str(daemon.folder / "no-devices")
    else:
        os.rename(daemon.staging, daemon.folder / "away")
    daemon.start()
    assert states_of(daemon, "job-inc") == ["open"]
    if what == "staging":
        with pytest.raises(Failed) as failed:
            daemon.commit(session)
        assert failed.value.error["retry_safe"] and "staging" in failed.value.error["remedy"]
        os.rmdir(daemon.staging)
        os.rename(daemon.folder / "away", daemon.staging)
    else:
        daemon.stop()
        del daemon.settings["device_directory"], daemon.settings["sysfs_block"]
        daemon.start()
    result = daemon.commit(session)
    assert holds(cloud, volume, expected) and result["digest"] == daemon.side_digest(volume)


def test_commit_that_can_never_be_finished_is_given_up_by_request(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    session, _, _ = half_applied(daemon, cloud, volume)
    journal = daemon.staging / (session["session_id"] + ".journal")
    journal.unlink()
    journal.mkdir()  # it is there and cannot be read, as on a disk that is broken
    daemon.start()
    with pytest.raises(Failed):
        daemon.commit(session)
    with pytest.raises(Failed) as failed:
        daemon.digest(volume)
    assert failed.value.error["code"] == "conflict", "the volume is between two points"
    path = f"/api/v1/write-sessions/{session['session_id']}"
    for query in ("", "?give_up=false", "?give_up=perhaps"):
        with pytest.raises(Refused):
            daemon.call("DELETE", path + query)
    assert daemon.call("DELETE", path + "?give_up=true")["state"] == "aborted"
    assert daemon.commit(daemon.open(volume, "direct", "job-full"))["digest"] == daemon.side_digest(volume)


def test_creation_that_was_cut_off_is_finished_in_the_size_that_is_wanted_now(own, cloud, context):
    daemon = own()
    cloud.fault("delay_job", command="createVolume", ms="3000")
    daemon.begin("POST", "/api/v1/volumes",
                 {"vm_context_id": context, "disk_id": "disk-2000", "name": "web-" + context, "size_bytes": GIB})

    def made():
        return [v for v in cloud.api.listVolumes(listall="true").get("volume", []) if v["name"].startswith("web-" + context)]
    wait_for(made)
    daemon.kill()
    daemon.start()
    volume = daemon.do("POST", "/api/v1/volumes",
                       {"vm_context_id": context, "disk_id": "disk-2000", "name": "web-" + context, "size_bytes": 2 * GIB})
    assert volume["size_bytes"] == 2 * GIB
    assert [v["id"] for v in made()] == [volume["volume_id"]]


def test_commit_whose_staged_changes_are_damaged_gives_the_volume_free_for_a_full_copy(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    session, _, _ = half_applied(daemon, cloud, volume)
    with open(daemon.staging / (session["session_id"] + ".data"), "r+b") as data:
        data.seek(40 * MIB * 20)
        data.write(b"damage")
    daemon.start()
    with pytest.raises(Failed) as failed:
        daemon.commit(session)
    assert failed.value.error["code"] in ("corrupt", "conflict") and failed.value.error["remedy"]
    [state] = [s["state"] for s in daemon.call("GET", f"/api/v1/write-sessions?job_id={session['job_id']}")["sessions"]]
    assert state == "aborted" and not list(daemon.staging.iterdir())
    full = daemon.open(volume, "direct", "job-full", expect_zero=True)
    assert not full["target_is_zero"]
    assert daemon.commit(full)["digest"] == daemon.side_digest(volume)


def test_commit_waits_for_staged_changes_that_are_away_until_it_is_aborted(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    session, _, _ = half_applied(daemon, cloud, volume)
    away = str(daemon.staging) + ".away"
    os.rename(daemon.staging, away)
    daemon.start()
    with pytest.raises(Failed) as failed:
        daemon.commit(session)
    assert failed.value.error["code"] == "conflict" and "staging" in failed.value.error["remedy"]
    os.rmdir(daemon.staging)
    os.rename(away, daemon.staging)
    with pytest.raises(Refused):
        daemon.call("DELETE", f"/api/v1/write-sessions/{session['session_id']}")
    shutil.rmtree(daemon.staging)
    assert daemon.call("DELETE", f"/api/v1/write-sessions/{session['session_id']}")["state"] == "aborted"
    os.mkdir(daemon.staging)
    assert daemon.commit(daemon.open(volume, "direct", "job-full"))["digest"] == daemon.side_digest(volume)


def test_what_ran_is_interrupted_after_a_restart(own, cloud, context):
    daemon = own()
    volume = daemon.create(context=context)["volume_id"]
    cloud.fault("delay_job", command="attachVolume", ms="3000")
    operation = daemon.begin("POST", f"/api/v1/volumes/{volume}/attach", {})
    wait_for(lambda: cloud.show(volume)["state"] in ("Attaching", "Creating"))
    daemon.kill()
    daemon.start()
    assert daemon.call("GET", f"/api/v1/operations/{operation}")["state"] == "interrupted"
    assert daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})["operation_mode"] == "oma"


def test_session_that_cannot_fit_is_refused(own, context):
    daemon = own(staging_quota_mib=64)
    volume = daemon.attached(context=context)["volume_id"]
    other = daemon.attached("disk-2001", context=context)["volume_id"]
    with pytest.raises(Refused) as refused:
        daemon.open(volume, "staged", expected_bytes=65 * MIB)
    assert refused.value.problem["code"] == "exhausted" and refused.value.problem["remedy"]
    daemon.open(volume, "staged", expected_bytes=40 * MIB)
    with pytest.raises(Refused):
        daemon.open(other, "staged", expected_bytes=40 * MIB)
    daemon.open(other, "staged", expected_bytes=20 * MIB)


def test_full_staging_space_is_an_error_of_the_write_and_the_session_can_be_aborted(small_disk, own, cloud, context):
    daemon = own(staging_folder=small_disk, staging_reserve_mib=1)
    volume = daemon.attached(context=context)["volume_id"]
    before = daemon.digest(volume)
    session = daemon.open(volume, "staged")
    client = nbd(session["nbd_uri"])
    import nbd as libnbd
    with pytest.raises(libnbd.Error) as failed:
        for number in range(64):
            client.pwrite(os.urandom(MIB), number * MIB)
    assert failed.value.errno == "ENOSPC"
    client.shutdown()
    daemon.call("DELETE", f"/api/v1/write-sessions/{session['session_id']}")
    assert os.listdir(small_disk) == []
    assert daemon.digest(volume) == before


def test_wrong_keys_are_reported_and_changed_settings_apply_at_once(own, cloud, context):
    daemon = own()
    daemon.seed(secret_key="wrong")
    with pytest.raises(Failed) as failed:
        daemon.create(context=context)
    assert failed.value.error["code"] == "unauthenticated" and failed.value.error["native"] == "401"
    daemon.seed()
    assert daemon.create(context=context)["size_bytes"] == GIB


def test_secrets_are_never_logged(own, cloud, context):
    daemon = own()
    daemon.attached(context=context)
    text = daemon.log.read_text()
    assert cloud.key not in text and cloud.secret not in text and daemon.token not in text and "signature=" not in text


def test_name_of_an_export_is_never_logged(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    session, _ = filled_session(daemon, volume, 1)
    daemon.do("POST", f"/api/v1/write-sessions/{session['session_id']}/verify", {"ranges": []})
    with pytest.raises(Refused):
        daemon.open(volume, "staged", "job-other")
    daemon.commit(session)
    text = daemon.log.read_text()
    assert session["session_id"] not in text and session["session_id"][:8] in text


def test_exports_are_offered_to_this_machine_alone(own):
    daemon = own()
    daemon.stop()
    daemon.settings["nbd_listen"] = "0.0.0.0:0"
    with pytest.raises(AssertionError, match="nbd_listen"):
        daemon.start()
