"""Data through the exports: direct, staged, committed, aborted, cut off."""

import json
import os
import random
import subprocess

import pytest

from daemonlab import GIB, MIB, UNIT, Failed, Refused, digest_of, nbd, run_digest


@pytest.fixture
def image(tmp_path):
    """A sparse image of 1 GiB with data at its start, across a unit's edge and at its end."""
    path = tmp_path / "source.img"
    content = random.Random(20260131)
    with open(path, "wb") as file:
        file.truncate(GIB)
        for offset, length in ((0, 3 * MIB), (UNIT - 4096, 8192), (700 * MIB + 512, 1536), (GIB - MIB, MIB)):
            file.seek(offset)
            file.write(content.randbytes(length))
    return path


def same(image, file):
    return subprocess.run(["cmp", image, file]).returncode == 0


def write(image, offset, data):
    with open(image, "r+b") as file:
        file.seek(offset)
        file.write(data)


def full_copy(daemon, volume, image, job="job-full"):
    session = daemon.open(volume, "direct", job, expect_zero=True)
    subprocess.run(["nbdcopy", "--flush", "--destination-is-zero", str(image), session["nbd_uri"]], check=True)
    return session, daemon.commit(session)


def test_direct_session_takes_a_copy_by_nbdcopy(daemon, cloud, volume, image):
    session = daemon.open(volume, "direct", expect_zero=True)
    assert session["state"] == "open" and session["target_is_zero"]
    subprocess.run(["nbdcopy", "--flush", str(image), session["nbd_uri"]], check=True)
    result = daemon.commit(session)
    assert same(image, cloud.file(volume))
    with open(image, "rb") as file:
        assert result["digest"] == digest_of(file)
    assert daemon.digest(volume) == result["digest"] == daemon.side_digest(volume)
    assert daemon.commit(session) == result


def test_second_direct_session_does_not_claim_a_zero_volume(daemon, volume, image):
    full_copy(daemon, volume, image)
    assert not daemon.open(volume, "direct", "job-2", expect_zero=True)["target_is_zero"]


def test_session_tells_that_it_began_on_zeros_and_whether_it_was_written_to(daemon, volume):
    session = daemon.open(volume, "direct", expect_zero=True)
    assert session["target_is_zero"] and not session["has_writes"]
    assert session["export_name"] == session["nbd_uri"].rsplit("/", 1)[1]
    assert daemon.open(volume, "direct", expect_zero=True) == session
    client = nbd(session["nbd_uri"])
    client.pwrite(b"x" * 512, 0)
    client.shutdown()
    again = daemon.open(volume, "direct", expect_zero=True)
    assert again == {**session, "has_writes": True}


def test_foreign_clients_understand_the_export(daemon, volume, image):
    session, _ = full_copy(daemon, volume, image)
    session = daemon.open(volume, "staged", "job-2")
    uri = session["nbd_uri"]
    info = subprocess.run(["nbdinfo", uri], check=True, capture_output=True, text=True).stdout
    assert str(GIB) in info and "can_multi_conn: true" in info and "can_flush: true" in info and "block_size_maximum: 33554432" in info
    names = subprocess.run(["nbdinfo", "--list", "--json", uri.rsplit("/", 1)[0]], capture_output=True, text=True)
    assert session["session_id"] not in names.stdout
    assert 'base:allocation' in info and "description: write session " in info
    mapped = json.loads(subprocess.run(["nbdinfo", "--map", "--json", uri], check=True, capture_output=True, text=True).stdout)
    assert sum(extent["length"] for extent in mapped) == GIB
    copied = str(image) + ".copy"
    subprocess.run(["nbdcopy", uri, copied], check=True)
    assert same(image, copied)
    os.unlink(copied)
    compared = subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", str(image), uri], capture_output=True, text=True)
    assert compared.returncode == 0, compared.stdout + compared.stderr


def test_qemu_and_libnbd_write_what_they_were_told(daemon, cloud, volume, image):
    session = daemon.open(volume, "direct", expect_zero=True)
    subprocess.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", str(image), session["nbd_uri"]], check=True)
    client = nbd(session["nbd_uri"])
    import nbd as libnbd
    client.pwrite(b"fua" * 512, 1000, libnbd.CMD_FLAG_FUA)
    write(image, 1000, b"fua" * 512)
    client.zero(5 * MIB + 13, 699 * MIB, libnbd.CMD_FLAG_NO_HOLE)
    write(image, 699 * MIB, bytes(5 * MIB + 13))
    client.trim(MIB, 500 * MIB)
    client.shutdown()
    result = daemon.commit(session)
    assert same(image, cloud.file(volume))
    assert result["digest"] == daemon.side_digest(volume)


def test_staged_session_tells_its_allocation(daemon, volume):
    session = daemon.open(volume, "staged")
    client = nbd(session["nbd_uri"])
    client.pwrite(os.urandom(MIB), MIB)
    client.zero(2 * MIB, 4 * MIB)
    client.shutdown()
    mapped = json.loads(subprocess.run(["nbdinfo", "--map", "--json", session["nbd_uri"]], check=True, capture_output=True, text=True).stdout)
    zeros = [(e["offset"], e["length"]) for e in mapped if e["type"] == 3]
    assert (4 * MIB, 2 * MIB) in zeros and not any(offset < 2 * MIB and offset + length > MIB for offset, length in zeros)


def test_staged_increment_reaches_the_volume_only_with_its_commit(daemon, cloud, volume, image):
    _, first = full_copy(daemon, volume, image)
    session = daemon.open(volume, "staged", "job-inc", expected_bytes=4 * MIB)
    client = nbd(session["nbd_uri"])
    changes = [(4096, os.urandom(2 * MIB)), (UNIT * 3 - 512, os.urandom(1024)), (GIB - 512, os.urandom(512))]
    for offset, data in changes:
        client.pwrite(data, offset)
        write(image, offset, data)
    client.zero(MIB, 700 * MIB)
    write(image, 700 * MIB, bytes(MIB))
    client.flush()
    assert client.pread(2 * MIB, 4096) == changes[0][1] and client.pread(MIB, 700 * MIB) == bytes(MIB)
    client.shutdown()
    assert daemon.digest(volume) == first["digest"]
    result = daemon.commit(session)
    assert same(image, cloud.file(volume))
    assert result["digest"] == daemon.digest(volume) == daemon.side_digest(volume)
    assert result["bytes"] == 2 * MIB + 1024 + 512
    assert not list(daemon.staging.glob(session["session_id"] + "*"))


def test_aborted_session_leaves_no_trace(daemon, volume, image):
    _, first = full_copy(daemon, volume, image)
    session = daemon.open(volume, "staged", "job-abort")
    client = nbd(session["nbd_uri"])
    client.pwrite(os.urandom(MIB), 0)
    client.flush()
    assert daemon.call("DELETE", f"/api/v1/write-sessions/{session['session_id']}")["state"] == "aborted"
    with pytest.raises(Exception):
        client.pread(512, 0)
    assert not list(daemon.staging.glob(session["session_id"] + "*"))
    assert daemon.digest(volume) == first["digest"]
    with pytest.raises(Failed):
        daemon.commit(session)
    assert daemon.open(volume, "staged", "job-abort")["session_id"] != session["session_id"]


def test_verify_names_the_ranges_that_differ(daemon, volume, image):
    full_copy(daemon, volume, image)
    session = daemon.open(volume, "staged", "job-verify")
    data = os.urandom(65536)
    client = nbd(session["nbd_uri"])
    client.pwrite(data, 65536)
    client.flush()
    with open(image, "rb") as file:
        start = file.read(65536)
    ranges = [{"offset": 0, "length": 65536, "digest": run_digest(start)},
              {"offset": 65536, "length": 65536, "digest": run_digest(data)},
              {"offset": 131072, "length": 4096, "digest": "0" * 32},
              {"offset": 100 * MIB + 512, "length": 20 * MIB, "digest": run_digest(bytes(20 * MIB), 512)}]
    result = daemon.do("POST", f"/api/v1/write-sessions/{session['session_id']}/verify", {"ranges": ranges})
    assert result == {"mismatches": [{"offset": 131072, "length": 4096}]}
    for bad in ({"offset": GIB, "length": 512, "digest": "0" * 32}, {"offset": 0, "length": 512, "digest": "0" * 64}):
        with pytest.raises((Refused, Failed)) as refused:
            daemon.do("POST", f"/api/v1/write-sessions/{session['session_id']}/verify", {"ranges": [bad]})
        assert "invalid" in str(refused.value)


@pytest.mark.parametrize("kind", ["direct", "staged"])
def test_verify_finds_what_changed_at_the_target_after_it_arrived(daemon, cloud, volume, kind):
    """A byte that turns over where it is kept, behind the back of the daemon."""
    session = daemon.open(volume, kind)
    data = os.urandom(3 * MIB)
    client = nbd(session["nbd_uri"])
    client.pwrite(data, MIB)
    client.flush()
    client.shutdown()
    ranges = [{"offset": MIB + n * MIB, "length": MIB, "digest": run_digest(data[n * MIB:(n + 1) * MIB])} for n in range(3)]
    verify = f"/api/v1/write-sessions/{session['session_id']}/verify"
    assert daemon.do("POST", verify, {"ranges": ranges}) == {"mismatches": []}
    place = daemon.call("GET", f"/api/v1/volumes/{volume}/device")["device_path"] if kind == "direct" else daemon.staging / (session["session_id"] + ".data")
    with open(place, "r+b") as file:
        file.seek(2 * MIB + 777)
        old = file.read(1)
        file.seek(2 * MIB + 777)
        file.write(bytes([old[0] ^ 1]))
        file.flush()
        os.fsync(file.fileno())
    assert daemon.do("POST", verify, {"ranges": ranges}) == {"mismatches": [{"offset": 2 * MIB, "length": MIB}]}


def test_volume_has_one_session_and_cannot_leave_while_it_is_open(daemon, volume):
    session = daemon.open(volume, "staged", "job-1")
    assert daemon.open(volume, "staged", "job-1") == session
    with pytest.raises(Refused) as refused:
        daemon.open(volume, "staged", "job-2")
    assert refused.value.status == 409 and "job-1" in refused.value.problem["detail"]
    with pytest.raises(Failed) as failed:
        daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    assert failed.value.error["code"] == "conflict" and "job-1" in failed.value.error["message"]
    assert [s["session_id"] for s in daemon.call("GET", "/api/v1/write-sessions?job_id=job-1")["sessions"]
            if s["volume_id"] == volume] == [session["session_id"]]


def test_export_exists_exactly_while_its_session_is_open(daemon, volume):
    session = daemon.open(volume, "direct")
    client = nbd(session["nbd_uri"])
    assert client.get_size() == GIB
    daemon.commit(session)
    with pytest.raises(Exception):
        client.pread(512, 0)
    with pytest.raises(Exception):
        nbd(session["nbd_uri"])
    assert daemon.call("GET", "/api/v1/write-sessions?job_id=job-1")["sessions"][-1]["nbd_uri"] == ""


def test_lengths_that_do_not_fit_are_refused(daemon, volume):
    for length in (0, 511, GIB + 512):
        with pytest.raises(Refused) as refused:
            daemon.open(volume, "direct", length=length)
        assert refused.value.status in (400, 422)


def test_volume_that_is_being_written_has_no_digest(daemon, volume):
    session = daemon.open(volume, "direct")
    with pytest.raises(Failed) as failed:
        daemon.digest(volume)
    assert failed.value.error["code"] == "conflict"
    daemon.commit(session)
    assert daemon.digest(volume) == daemon.side_digest(volume)


def test_repeated_snapshot_keeps_what_was_known_when_it_was_taken(daemon, cloud, volume, image):
    full_copy(daemon, volume, image)
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    first = daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "test-" + volume})
    device = daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})["device_path"]
    with open(device, "r+b") as file:
        file.write(os.urandom(4096))
        os.fsync(file.fileno())
    daemon.digest(volume)
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    again = daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "test-" + volume})
    assert again["snapshot_id"] == first["snapshot_id"]
    daemon.do("POST", f"/api/v1/snapshots/{volume}/revert", {})
    daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})
    session = daemon.open(volume, "staged", "job-after", expected_bytes=MIB)
    client = nbd(session["nbd_uri"])
    client.pwrite(os.urandom(512), 900 * MIB)
    client.flush()
    client.shutdown()
    assert daemon.commit(session)["digest"] == daemon.side_digest(volume)


def test_detached_volume_takes_no_session(daemon, volume):
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    with pytest.raises(Refused) as refused:
        daemon.open(volume, "direct")
    assert refused.value.status == 409


def test_snapshot_and_revert_give_back_the_digest(daemon, cloud, volume, image, context):
    _, first = full_copy(daemon, volume, image)
    with pytest.raises(Failed) as failed:
        daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "test-failover-" + context})
    assert failed.value.error["code"] == "conflict"
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    taken = daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "test-failover-" + context})
    assert taken["status"] == "ready" and taken["revertable"]
    assert daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "test-failover-" + context})["snapshot_id"] == taken["snapshot_id"]
    device = daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})["device_path"]
    with open(device, "r+b") as disk:  # what driver injection and a running test machine do
        disk.seek(5 * MIB)
        disk.write(os.urandom(MIB))
    assert daemon.digest(volume) != first["digest"]
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    with pytest.raises(Failed) as failed:
        daemon.do("DELETE", f"/api/v1/volumes/{volume}")
    assert failed.value.error["code"] == "conflict"
    cloud.fault("revert_partial")
    assert daemon.do("POST", f"/api/v1/snapshots/{volume}/revert", {})["status"] == "rollback_complete"
    assert [s["volume_id"] for s in daemon.call("GET", f"/api/v1/snapshots/vm/{context}")["snapshots"]] == [volume]
    daemon.do("DELETE", f"/api/v1/snapshots/{volume}")
    assert daemon.call("GET", f"/api/v1/snapshots/vm/{context}")["snapshots"] == []
    daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})
    assert daemon.digest(volume) == first["digest"] == daemon.side_digest(volume)


def test_snapshot_that_ends_in_error_is_taken_once_more(daemon, cloud, volume, context):
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    cloud.fault("snapshot_error")
    taken = daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "s-" + context})
    assert taken["status"] == "ready"
    [left] = cloud.api.listSnapshots(volumeid=volume, listall="true")["snapshot"]
    assert left["id"] == taken["snapshot_id"]


def test_failed_snapshot_is_removed_and_may_be_repeated(daemon, cloud, volume, context):
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    cloud.fault("snapshot_error", times="2")
    with pytest.raises(Failed) as failed:
        daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "s-" + context})
    assert failed.value.error["retry_safe"]
    assert daemon.call("GET", f"/api/v1/snapshots/vm/{context}")["snapshots"][0]["status"] == "failed"
    assert daemon.do("POST", "/api/v1/snapshots", {"volume_id": volume, "name": "s-" + context})["status"] == "ready"
    daemon.do("DELETE", f"/api/v1/snapshots/{volume}")
    daemon.do("DELETE", f"/api/v1/volumes/{volume}")
