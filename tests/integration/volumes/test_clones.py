"""Clones: volumes of their own, made from the snapshot of a replica, while the replica goes on being written."""

import os
import sqlite3

import pytest

from daemonlab import GIB, MIB, Failed, Refused, nbd, wait_for


def write(daemon, volume, data, offset, job):
    session = daemon.open(volume, "direct", job)
    client = nbd(session["nbd_uri"])
    client.pwrite(data, offset)
    client.flush()
    client.shutdown()
    return daemon.commit(session)["digest"]


def snapshotted(daemon, context, data=None, disk="disk-2000", **body):
    """A detached replica with known bytes and a ready snapshot; its id and its digest."""
    volume = daemon.attached(disk, context=context)["volume_id"]
    digest = write(daemon, volume, data or os.urandom(MIB), 5 * MIB, "job-" + volume)
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    snapshot = daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "s-" + volume, **body})
    assert snapshot["status"] == "ready"
    return volume, digest


def clone(daemon, volume, name=None):
    return daemon.do("POST", f"/api/v1/volumes/{volume}/clones", {"name": name or "clone-" + volume})


def clones(daemon, context):
    return daemon.call("GET", f"/api/v1/volumes?vm_context_id={context}&clones=true")["volumes"]


def ledger_of(daemon, context):
    with sqlite3.connect(daemon.folder / "oma.db") as database:
        return sorted(row[0] for row in database.execute(
            "SELECT kind FROM ledger WHERE vm_context_id = ? AND state IN ('intended', 'present')", (context,)))


def notes(daemon, about):
    """Command, state and whether its job is known, of every command about an object."""
    with sqlite3.connect(daemon.folder / "oma.db") as database:
        return database.execute("SELECT command, state, async_job_id IS NOT NULL FROM external_effects "
                                "WHERE object = ? OR object_id = ? ORDER BY created_ms, id", (about, about)).fetchall()


def test_clone_has_the_content_of_the_snapshot_while_the_replica_goes_on(daemon, cloud, context):
    before = os.urandom(MIB)
    replica, digest = snapshotted(daemon, context, before)
    made = clone(daemon, replica)
    assert made["clone_of"] == replica and made["state"] == "Ready" and made["vm_context_id"] == context
    daemon.do("POST", f"/api/v1/volumes/{replica}/attach", {})
    later = write(daemon, replica, os.urandom(MIB), 5 * MIB, "job-later-" + replica)
    attached = daemon.do("POST", f"/api/v1/volumes/{made['volume_id']}/attach", {})
    with open(attached["device_path"], "rb") as device:
        device.seek(5 * MIB)
        assert device.read(MIB) == before
    assert daemon.digest(made["volume_id"]) == digest != later
    here = daemon.call("GET", f"/api/v1/volumes/{replica}")
    assert here["symlink_path"] != attached["symlink_path"]
    assert os.path.realpath(here["symlink_path"]) != os.path.realpath(attached["symlink_path"])
    assert os.path.realpath(attached["symlink_path"]) == attached["device_path"]
    assert [v["volume_id"] for v in clones(daemon, context)] == [made["volume_id"]]
    assert [v["volume_id"] for v in daemon.call("GET", f"/api/v1/volumes?vm_context_id={context}")["volumes"]] == [replica]
    [tag] = cloud.show(made["volume_id"])["tags"]
    assert (tag["key"], tag["value"]) == ("migratekit.context", context)


def test_clone_lives_and_dies_by_itself(daemon, cloud, context):
    replica, _ = snapshotted(daemon, context)
    made = clone(daemon, replica)["volume_id"]
    assert clone(daemon, replica)["volume_id"] == made, "found again"
    assert ledger_of(daemon, context) == ["volume", "volume_clone", "volume_snapshot"]
    with pytest.raises(Failed) as failed:
        daemon.do("DELETE", f"/api/v1/snapshots/{replica}")
    assert failed.value.error["code"] == "conflict" and "clone-" + replica in failed.value.error["message"]
    daemon.do("POST", f"/api/v1/volumes/{made}/attach", {})
    with pytest.raises(Failed) as failed:
        daemon.do("DELETE", f"/api/v1/volumes/{made}?only=clone")
    assert failed.value.error["code"] == "conflict"
    daemon.do("POST", f"/api/v1/volumes/{made}/detach", {})
    daemon.do("DELETE", f"/api/v1/volumes/{made}?only=clone")
    daemon.do("DELETE", f"/api/v1/volumes/{made}?only=clone")
    assert not cloud.file(made).exists() and clones(daemon, context) == []
    daemon.do("DELETE", f"/api/v1/snapshots/{replica}")
    assert ledger_of(daemon, context) == ["volume"]


def test_what_a_clone_is_not_for_is_refused_with_the_reason(daemon, context):
    replica, _ = snapshotted(daemon, context)
    made = clone(daemon, replica)["volume_id"]
    daemon.do("POST", f"/api/v1/volumes/{made}/attach", {})
    with pytest.raises(Refused) as refused:
        daemon.open(made, "direct")
    assert refused.value.problem["code"] == "conflict" and "clone" in refused.value.problem["detail"]
    for path, body in ((f"/api/v1/volumes/{made}/resize", {"size_bytes": 2 * GIB}),
                       ("/api/v1/snapshots", {"volume_id": made, "name": "s"}),
                       (f"/api/v1/volumes/{made}/clones", {"name": "clone-of-a-clone"})):
        with pytest.raises(Failed) as failed:
            daemon.do("POST", path, body)
        assert failed.value.error["code"] == "conflict" and replica in failed.value.error["remedy"]


def test_storage_that_cannot_revert_is_tested_on_clones_only(daemon, cloud, context):
    cloud.set("lab.snapshot.revertable", "false")
    try:
        replica, digest = snapshotted(daemon, context, must_revert=False)
        made = clone(daemon, replica)["volume_id"]
        daemon.do("POST", f"/api/v1/volumes/{made}/attach", {})
        assert daemon.digest(made) == digest
        other = daemon.attached("disk-2001", context=context)["volume_id"]
        daemon.do("POST", f"/api/v1/volumes/{other}/detach", {})
        with pytest.raises(Failed) as failed:
            daemon.do("POST", "/api/v1/snapshots", {"volume_id": other, "name": "s-" + other})
        assert "clones" in failed.value.error["remedy"]
        assert cloud.api.listSnapshots(volumeid=other, listall="true").get("snapshot", []) == []
    finally:
        cloud.set("lab.snapshot.revertable", "true")


def test_machine_with_replicas_and_clones_tells_them_apart_and_an_expunge_takes_only_its_root(daemon, cloud, context):
    replica, digest = snapshotted(daemon, context)
    made = clone(daemon, replica)["volume_id"]
    vm = cloud.deploy("clone-" + replica[:8])["id"]
    daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})
    daemon.do("POST", f"/api/v1/volumes/{made}/attach-root", {"vm_id": vm})
    daemon.do("POST", f"/api/v1/volumes/{replica}/attach", {"vm_id": vm})
    told = {v["volume_id"]: v for v in daemon.call("GET", f"/api/v1/machines/{vm}/volumes")["volumes"]}
    assert told[made]["is_clone"] and not told[made]["is_replica"] and told[made]["type"] == "ROOT"
    assert told[replica]["is_replica"] and not told[replica]["is_clone"]
    assert daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})["volume_id"] == ""
    for volume in (made, replica):
        with pytest.raises(Failed):
            daemon.do("DELETE", f"/api/v1/volumes/{volume}")
    daemon.do("POST", f"/api/v1/volumes/{replica}/detach", {})
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")  # not by us: what becomes of a machine that was left with a clone
    assert [v["state"] for v in clones(daemon, context)] == ["Absent"]
    daemon.do("DELETE", f"/api/v1/volumes/{made}?only=clone")
    assert clones(daemon, context) == []
    daemon.do("POST", f"/api/v1/volumes/{replica}/attach", {})
    assert daemon.digest(replica) == digest


def test_replica_survives_everything_that_removes(daemon, cloud, context):
    replica, digest = snapshotted(daemon, context)
    vm = cloud.deploy("keep-" + replica[:8])["id"]
    daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})
    daemon.do("POST", f"/api/v1/volumes/{replica}/attach-root", {"vm_id": vm})
    for query in ("", "?only=clone"):
        with pytest.raises(Failed) as failed:
            daemon.do("DELETE", f"/api/v1/volumes/{replica}{query}")
        assert failed.value.error["code"] == "conflict"
    assert daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})["volume_id"] == ""
    daemon.do("POST", f"/api/v1/volumes/{replica}/detach", {})
    with pytest.raises(Failed) as failed:
        daemon.do("DELETE", f"/api/v1/volumes/{replica}")
    assert "snapshot" in failed.value.error["message"]
    daemon.do("POST", f"/api/v1/volumes/{replica}/attach", {})
    assert daemon.digest(replica) == digest


@pytest.mark.parametrize("fault,values", [
    ("drop_answer", {}),
    ("lose_job_result", {"done": "true"}),
    ("rate_limit", {"ms": "50", "times": "3"}),
])
def test_lost_words_make_no_second_clone(daemon, cloud, context, fault, values):
    replica, _ = snapshotted(daemon, context)
    cloud.fault(fault, command="createVolume", **values)
    made = clone(daemon, replica)
    assert made["state"] == "Ready"
    named = cloud.api.listVolumes(listall="true", name=made["name"])["volume"]
    assert [v["id"] for v in named] == [made["volume_id"]]


@pytest.mark.parametrize("fault,values,code", [
    ("fail_command", {"code": "535", "text": "limit"}, "exhausted"),
    ("fail_job", {"code": "530"}, "external"),
])
def test_refused_clone_leaves_nothing(daemon, cloud, context, fault, values, code):
    replica, _ = snapshotted(daemon, context)
    cloud.fault(fault, command="createVolume", **values)
    with pytest.raises(Failed) as failed:
        clone(daemon, replica)
    assert failed.value.error["code"] == code
    assert clones(daemon, context) == [] and ledger_of(daemon, context) == ["volume", "volume_snapshot"]
    cloud.side("DELETE", "/faults")
    assert clone(daemon, replica)["state"] == "Ready"


@pytest.mark.parametrize("at", ["queued", "transitional", "during", "host", "done"])
def test_management_server_that_dies_while_a_clone_is_made_leaves_a_whole_one_or_none(daemon, cloud, context, at):
    replica, digest = snapshotted(daemon, context)
    cloud.fault("kill_management", command="createVolume", at=at, down_ms="300")
    try:
        made = clone(daemon, replica)
    except Failed as failed:
        assert failed.error["retry_safe"]
        made = clone(daemon, replica)
    daemon.do("POST", f"/api/v1/volumes/{made['volume_id']}/attach", {})
    assert daemon.digest(made["volume_id"]) == digest
    assert [v["id"] for v in cloud.api.listVolumes(listall="true", name=made["name"])["volume"]] == [made["volume_id"]]


def test_clone_whose_making_was_cut_off_is_known_and_finished(own, cloud, context):
    daemon = own()
    replica, digest = snapshotted(daemon, context)
    cloud.fault("delay_job", command="createVolume", ms="3000")
    name = "clone-" + replica
    daemon.begin("POST", f"/api/v1/volumes/{replica}/clones", {"name": name})
    wait_for(lambda: ("createVolume", "submitted", 1) in notes(daemon, name))
    daemon.kill()
    daemon.start()
    [seen] = clones(daemon, context)
    assert seen["name"] == name and seen["clone_of"] == replica
    made = clone(daemon, replica)
    assert made["volume_id"] == seen["volume_id"] and made["state"] == "Ready"
    daemon.do("POST", f"/api/v1/volumes/{made['volume_id']}/attach", {})
    assert daemon.digest(made["volume_id"]) == digest
    assert ("createVolume", "done", 1) in notes(daemon, name)


def test_late_detach_of_a_former_run_does_not_clear_a_newer_attachment(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    vm = cloud.deploy("late-" + volume[:8])["id"]
    cloud.fault("delay_job", command="detachVolume", ms="3000")
    daemon.begin("POST", f"/api/v1/volumes/{volume}/detach", {})
    wait_for(lambda: ("detachVolume", "submitted", 1) in notes(daemon, volume))
    daemon.kill()
    daemon.start()
    attached = daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {"vm_id": vm})
    assert attached["vm_id"] == vm and attached["operation_mode"] == "failover"
    assert cloud.show(volume)["virtualmachineid"] == vm
    states = notes(daemon, volume)
    assert ("detachVolume", "done", 1) in states and all(state == "done" for _, state, _ in states)


def test_detach_whose_answer_a_former_run_never_saw_does_not_clear_a_newer_attachment(own, cloud, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]
    vm = cloud.deploy("mute-" + volume[:8])["id"]
    cloud.fault("hold", command="detachVolume", at="accepted")
    cloud.fault("delay_job", command="detachVolume", ms="3000")
    daemon.begin("POST", f"/api/v1/volumes/{volume}/detach", {})
    cloud.op("hold_wait", ms=20000)
    assert ("detachVolume", "intended", 0) in notes(daemon, volume) and "jobid" in cloud.show(volume)
    daemon.kill()
    cloud.op("hold_release")
    daemon.start()
    attached = daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {"vm_id": vm})
    assert attached["vm_id"] == vm
    assert cloud.show(volume)["virtualmachineid"] == vm and "jobid" not in cloud.show(volume)
    assert ("detachVolume", "unknown", 0) in notes(daemon, volume)


def test_every_command_is_noted_with_its_end_and_no_secret(daemon, cloud, context):
    replica, _ = snapshotted(daemon, context)
    made = clone(daemon, replica)["volume_id"]
    daemon.do("DELETE", f"/api/v1/volumes/{made}")
    cloud.fault("fail_job", command="attachVolume", code="431", text="no")
    with pytest.raises(Failed):
        daemon.do("POST", f"/api/v1/volumes/{replica}/attach", {})
    commands = notes(daemon, replica)
    assert [c for c, _, _ in commands if c != "createTags"] == ["createVolume", "attachVolume", "detachVolume", "createSnapshot",
                                                                "attachVolume"]
    assert commands[-1] == ("attachVolume", "failed", 1)
    assert all(state == "done" for _, state, _ in commands[:-1])
    assert ("deleteVolume", "done", 0) in notes(daemon, made)
    with sqlite3.connect(daemon.folder / "oma.db") as database:
        text = "\n".join(str(row) for row in database.execute("SELECT * FROM external_effects"))
    assert cloud.key not in text and cloud.secret not in text and "signature" not in text


def test_staging_space_tells_what_open_sessions_hold(own, context):
    daemon = own(staging_quota_mib=100)
    volume = daemon.attached(context=context)["volume_id"]
    empty = daemon.call("GET", "/api/v1/staging")
    assert empty["reserved_bytes"] == 0 and empty["available_bytes"] <= 100 * MIB and empty["free_bytes"] <= empty["total_bytes"]
    session = daemon.open(volume, "staged", expected_bytes=40 * MIB)
    held = daemon.call("GET", "/api/v1/staging")
    assert held["reserved_bytes"] == 40 * MIB and held["available_bytes"] <= 60 * MIB
    daemon.call("DELETE", f"/api/v1/write-sessions/{session['session_id']}")
    assert daemon.call("GET", "/api/v1/staging")["reserved_bytes"] == 0
