"""Full disks, floods of connections, many sessions: what does not fit is refused, and nothing is left over."""

import os
import random
import socket
import subprocess
import tempfile

import nbd as libnbd
import pytest

from daemonlab import GIB, MIB, Failed, holds, nbd, wait_for


def fill(session, start, count):
    """Writes MiB after MiB until it does not fit; returns what was answered."""
    client = nbd(session["nbd_uri"])
    written = {}
    try:
        for number in range(start, start + count):
            data = os.urandom(MIB)
            client.pwrite(data, number * 2 * MIB)
            written[number * 2 * MIB] = data
    except libnbd.Error as error:
        assert error.errno == "ENOSPC"
        return client, written, True
    return client, written, False


@pytest.mark.parametrize("limit", ["disk", "quota"])
def test_session_that_filled_the_staging_space_keeps_what_arrived(small_disk, own, cloud, context, limit):
    limits = {"staging_reserve_mib": 8} if limit == "disk" else {"staging_reserve_mib": 1, "staging_quota_mib": 20}
    daemon = own(staging_folder=small_disk, **limits)
    volume = daemon.attached(context=context)["volume_id"]
    session = daemon.open(volume, "staged")
    client, written, is_full = fill(session, 0, 64)
    assert is_full and len(written) in ((range(30, 41)) if limit == "disk" else (19, 20))
    client.flush()
    client.shutdown()
    assert daemon.open(volume, "staged")["state"] == "open"
    daemon.kill()
    daemon.start()
    client, _, is_full = fill(daemon.open(volume, "staged"), 100, 64)
    assert is_full, "after a restart the space is as full as before"
    client.shutdown()
    result = daemon.commit(session)
    assert holds(cloud, volume, written) and result["digest"] == daemon.side_digest(volume)
    assert os.listdir(small_disk) == []
    _, _, is_full = fill(daemon.open(volume, "staged", "job-2"), 0, 10)
    assert not is_full, "the space was given back"


def test_no_space_for_the_journal_fails_flush_and_commit_and_both_may_be_repeated(small_disk, own, cloud, context):
    daemon = own(staging_folder=small_disk, staging_reserve_mib=0)
    volume = daemon.attached(context=context)["volume_id"]
    session = daemon.open(volume, "staged")
    client, written, _ = fill(session, 0, 8)
    # The journal's page has room for one short record: make it long.
    for number in range(512):
        data = os.urandom(512)
        client.pwrite(data, GIB // 2 + number * 8192)
        written[GIB // 2 + number * 8192] = data
    filler = os.path.join(small_disk, "filler")
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    with pytest.raises(libnbd.Error):
        client.flush()
    client.shutdown()
    with pytest.raises(Failed) as failed:
        daemon.commit(session)
    assert failed.value.error["code"] == "exhausted"
    os.unlink(filler)
    again = daemon.open(volume, "staged")
    assert again["session_id"] == session["session_id"] and again["state"] == "open"
    # The daemon began again from the journal: what was not flushed is sent again, as its instance tells the client.
    client = nbd(again["nbd_uri"])
    for offset, data in written.items():
        client.pwrite(data, offset)
    client.flush()
    client.shutdown()
    daemon.commit(session)
    assert holds(cloud, volume, written)


def open_descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def threads(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/task"))


def test_a_hundred_sessions_leave_nothing(own, context):
    daemon = own()
    volume = daemon.attached(context=context)["volume_id"]

    def cycle(number):
        session = daemon.open(volume, "staged" if number % 2 else "direct", f"job-{number}")
        clients = [nbd(session["nbd_uri"]) for _ in range(2)]
        clients[0].pwrite(b"x" * 512, 0)
        if number % 4 < 2:
            daemon.call("DELETE", f"/api/v1/write-sessions/{session['session_id']}")
        else:
            clients[0].flush()
            daemon.commit(session)

    for number in range(4):
        cycle(number)
    before = open_descriptors(daemon), threads(daemon)
    for number in range(4, 104):
        cycle(number)
    assert not list(daemon.staging.iterdir())
    assert open_descriptors(daemon) <= before[0] + 4 and threads(daemon) <= before[1] + 4


def test_half_open_connections_do_not_hinder_a_copy(own, cloud, context, tmp_path):
    daemon = own(**{"limits.nbd_connections": 32})
    volume = daemon.attached(context=context)["volume_id"]
    session = daemon.open(volume, "direct", expect_zero=True)
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.write(random.Random(7).randbytes(192 * MIB))
        file.truncate(GIB)
    flood = []
    copy = subprocess.Popen(["nbdcopy", "--flush", "--destination-is-zero", str(image), session["nbd_uri"]])
    try:
        wait_for(lambda: daemon.call("GET", "/api/v1/write-sessions?job_id=job-1")["sessions"][0]["has_writes"])
        for _ in range(500):
            flood.append(socket.create_connection(("127.0.0.1", daemon.nbd_port), timeout=10))
        assert copy.wait(120) == 0
        assert nbd(session["nbd_uri"]).get_size() == GIB
    finally:
        for connection in flood:
            connection.close()
        copy.kill()
        copy.wait()
    daemon.commit(session)
    assert subprocess.run(["cmp", image, cloud.file(volume)]).returncode == 0


def test_clients_that_are_killed_while_they_write_leave_a_session_that_works(daemon, cloud, volume, tmp_path):
    session = daemon.open(volume, "staged")
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.write(random.Random(8).randbytes(48 * MIB))
    for pieces in (1, 3, 9):
        client = nbd(session["nbd_uri"])
        for number in range(pieces):
            buffer = libnbd.Buffer.from_bytearray(bytearray(os.urandom(4 * MIB)))
            client.aio_pwrite(buffer, number * 4 * MIB)
        del client  # without a word, most of it unsent
    subprocess.run(["nbdcopy", "--flush", str(image), session["nbd_uri"]], check=False)
    client = nbd(session["nbd_uri"])
    with open(image, "rb") as file:
        content = file.read()
    for at in range(0, len(content), 8 * MIB):
        client.pwrite(content[at:at + 8 * MIB], at)
    client.flush()
    client.shutdown()
    daemon.commit(session)
    assert holds(cloud, volume, {0: content})


def test_tunnel_is_configured_in_full_or_not_at_all(own, context):
    daemon = own()
    daemon.stop()
    daemon.settings["tunnel.hand_off_socket"] = str(daemon.folder / "hand-off.sock")
    with pytest.raises(AssertionError, match="tunnel.folder"):
        daemon.start()
    daemon.settings["tunnel.folder"] = tempfile.mkdtemp(dir=daemon.folder)
    daemon.start()
    assert (daemon.folder / "hand-off.sock").is_socket()
