"""The oracle is tested by seeded faults: a judge that never says "different" proves nothing."""

import hashlib
import json
import os
import pathlib
import socketserver
import http.server
import subprocess
import threading
import time

import pytest
import xxhash

ROOT = pathlib.Path(__file__).resolve().parents[3]
ORACLE = ROOT / "build" / "lab" / "lab-oracle"
BLOCK = 64 << 10
MIB = 1 << 20


@pytest.fixture(scope="session", autouse=True)
def built():
    subprocess.run([ROOT / "lab" / "build", "oracle"], check=True, timeout=300)


def oracle(*arguments):
    run = subprocess.run([ORACLE, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert run.returncode != 2 or run.stderr, "an error must be explained"
    return run


def compare(a, b, *options):
    run = oracle("compare", a, b, "--json", *options)
    assert run.returncode in (0, 1), run.stderr
    result = json.loads(run.stdout)
    assert result["equal"] == (run.returncode == 0)
    return result


def noise(length, seed=b"beacon"):
    """Bytes that are the same in every run."""
    return hashlib.shake_256(seed).digest(length)


@pytest.fixture
def images(tmp_path):
    """Two equal sparse images: data, a hole of 40 MiB, data, a tail that is no whole block."""
    size = 48 * MIB + 12345
    paths = [tmp_path / "a.img", tmp_path / "b.img"]
    for path in paths:
        with open(path, "wb") as image:
            image.write(noise(3 * MIB))
            image.seek(43 * MIB)
            image.write(noise(MIB, b"behind the hole"))
            image.truncate(size)
    return paths


def poke(path, offset, data):
    with open(path, "r+b") as image:
        image.seek(offset)
        image.write(data)


def flip(path, offset):
    with open(path, "r+b") as image:
        image.seek(offset)
        byte = image.read(1)
        image.seek(offset)
        image.write(bytes([byte[0] ^ 1]))


def test_equal_images_are_equal(images):
    result = compare(*images)
    assert result["equal"] and result["different_blocks"] == 0 and result["first_difference"] is None


@pytest.mark.parametrize(
    "offset",
    [0, 1, 511, 512, BLOCK - 1, BLOCK, BLOCK + 1, 4 * MIB - 1, 4 * MIB, 20 * MIB + 7, 43 * MIB - 1, 48 * MIB + 12344],
)
def test_one_flipped_byte_is_found_wherever_it_is(images, offset):
    a, b = images
    flip(b, offset)
    for result in (compare(a, b), compare(b, a)):
        assert not result["equal"]
        assert result["first_difference"] == offset
        assert result["different_blocks"] == 1


def test_blocks_are_counted_once_each(images):
    a, b = images
    for offset in (10, 20, BLOCK - 1, 5 * BLOCK, 43 * MIB + 100):
        flip(b, offset)
    result = compare(a, b)
    assert (result["first_difference"], result["different_blocks"]) == (10, 3)


def test_written_zeros_equal_a_hole(images):
    a, b = images
    poke(b, 10 * MIB, bytes(MIB))
    assert compare(a, b)["equal"]


def test_a_lost_block_is_found(images):
    a, b = images
    poke(b, MIB, bytes(BLOCK))
    assert compare(a, b)["different_blocks"] == 1


def test_a_missing_tail_is_different_even_when_it_was_zero(images):
    a, b = images
    os.truncate(b, 47 * MIB)
    for result in (compare(a, b), compare(b, a)):
        assert result["first_difference"] == 47 * MIB
        assert result["different_blocks"] == 17  # 1 MiB and a part of a block


def test_a_tail_that_ends_within_a_block_counts_that_block_once(images):
    a, b = images
    flip(b, 2 * MIB + 5)
    os.truncate(b, 2 * MIB + 100)
    os.truncate(a, 2 * MIB + 200)
    assert compare(a, b)["different_blocks"] == 1


def test_a_longer_copy_is_accepted_only_on_request_and_only_if_zero(images):
    a, b = images
    os.truncate(b, 64 * MIB)
    assert not compare(a, b)["equal"]
    assert compare(a, b, "--allow-zero-tail")["equal"]
    assert not compare(b, a, "--allow-zero-tail")["equal"], "the copy may be longer, not the source"
    poke(b, 60 * MIB, b"x")
    result = compare(a, b, "--allow-zero-tail")
    assert (result["first_difference"], result["different_blocks"]) == (60 * MIB, 1)


def test_dirt_just_behind_the_source_end_is_found(images):
    a, b = images
    os.truncate(b, 49 * MIB)
    poke(b, 48 * MIB + 12345, b"x")
    assert compare(a, b, "--allow-zero-tail")["first_difference"] == 48 * MIB + 12345


def test_length_limits_the_comparison_and_demands_that_much(images):
    a, b = images
    flip(b, 2 * MIB)
    assert compare(a, b, "--length", 2 * MIB)["equal"]
    assert not compare(a, b, "--length", 2 * MIB + 1)["equal"]
    os.truncate(b, MIB)
    assert compare(a, b, "--length", 2 * MIB)["first_difference"] == MIB


def test_empty_images_are_equal(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.touch()
    b.touch()
    assert compare(a, b)["equal"]
    b.write_bytes(b"\0")
    assert not compare(a, b)["equal"]


def test_what_cannot_be_read_is_an_error_and_no_verdict(images, tmp_path):
    a, _ = images
    assert oracle("compare", a, tmp_path / "absent").returncode == 2
    assert oracle("compare", a, tmp_path).returncode == 2
    assert oracle("compare", a).returncode == 2
    assert oracle("compare", a, f"nbd+unix:///x?socket={tmp_path}/absent.sock").returncode == 2


def volume_digest(content):
    """By its definition, with a library that nobody here wrote."""
    leaves = (content[at:at + 256 * 1024] for at in range(0, len(content), 256 * 1024))
    return hashlib.sha256(b"".join(xxhash.xxh3_128_digest(leaf) for leaf in leaves)).hexdigest()


def test_digest_is_sha256_over_the_digests_of_the_leaves(images):
    a, _ = images
    content = a.read_bytes()
    assert oracle("digest", a).stdout.strip() == volume_digest(content)
    assert oracle("digest", a, "--length", len(content) + 512).returncode == 2
    assert oracle("digest", a, "--length", 256 * 1024 + 240).returncode == 2


@pytest.mark.parametrize("length", [241, 512, 1023, 1024, 1025, 1536, 65536, 256 * 1024 - 512, 256 * 1024, 256 * 1024 + 512, 3 * MIB + 1024])
def test_digest_of_every_length_of_the_last_leaf(images, length):
    a, _ = images
    assert oracle("digest", a, "--length", length).stdout.strip() == volume_digest(a.read_bytes()[:length])


def test_digest_of_holes_is_that_of_zeros(tmp_path):
    sparse = tmp_path / "sparse"
    with open(sparse, "wb") as file:
        file.seek(5 * MIB + 4096)
        file.write(b"data")
        file.truncate(9 * MIB + 512)
    assert oracle("digest", sparse).stdout.strip() == volume_digest(sparse.read_bytes())


@pytest.fixture
def nbd_export(images, tmp_path):
    """The second image behind an NBD server that nobody here wrote."""
    socket = tmp_path / "nbd.sock"
    server = subprocess.Popen(
        ["qemu-nbd", "--socket", socket, "--format", "raw", "--read-only", "--persistent", "--export-name", "disk@1",
         "--pid-file", tmp_path / "nbd.pid", images[1]]
    )
    try:
        for _ in range(200):
            if (tmp_path / "nbd.pid").exists() or server.poll() is not None:
                break
            time.sleep(0.05)
        assert server.poll() is None, "qemu-nbd did not start"
        yield f"nbd+unix:///disk@1?socket={socket}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def test_an_nbd_export_reads_like_the_file_behind_it(images, nbd_export):
    run = oracle("compare", images[0], nbd_export, "--json", "--allow-zero-tail")  # qemu-nbd rounds up to 512 bytes
    assert run.returncode == 0, run.stdout + run.stderr
    assert oracle("digest", nbd_export, "--length", 45 * MIB).stdout == oracle("digest", images[0], "--length", 45 * MIB).stdout


def test_an_nbd_export_with_a_flipped_byte_is_different(images, nbd_export):
    flip(images[0], 2 * MIB + 77)
    result = compare(nbd_export, images[0], "--length", 48 * MIB)
    assert (result["first_difference"], result["different_blocks"]) == (2 * MIB + 77, 1)


def test_an_unknown_export_is_an_error(nbd_export):
    run = oracle("digest", nbd_export.replace("disk@1", "disk@2"))
    assert run.returncode == 2 and "disk@2" in run.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root rights")
def test_a_block_device_reads_like_its_file(images):
    a, b = images
    for path in images:
        os.truncate(path, 48 * MIB)
    device = subprocess.run(["losetup", "-f", "--show", b], check=True, capture_output=True, text=True).stdout.strip()
    try:
        assert compare(a, device)["equal"]
        poke(device, 30 * MIB, b"written through the device")
        assert compare(a, device)["first_difference"] == 30 * MIB
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


# ---- the beacon guest's data disk ---------------------------------------------------------------------------------


def beacon_disk(path, files, extra=()):
    """A data disk as the guest has it, made by other means than the image builder's."""
    content = path.parent / (path.name + ".d")
    content.mkdir()
    for name, data in [*files.items(), *extra]:
        (content / name).write_bytes(data)
    with open(path, "wb") as image:
        image.truncate(10 * MIB)
    subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-F", "-E", "offset=1048576", "-d", content, path, "8M"], check=True)


def named(seq, data):
    return f"{seq}-{hashlib.sha256(data).hexdigest()[:16]}"


def test_beacon_sum_follows_the_contract(tmp_path):
    files = {named(seq, noise(1000 + seq)): noise(1000 + seq) for seq in (9, 10, 11)}
    beacon_disk(tmp_path / "data.img", files, extra=[("write.tmp", b"half a file")])
    expected = hashlib.sha256("".join(f"{name}\n" for name in sorted(files)).encode()).hexdigest()[:16]
    verdict = json.loads(oracle("beacon-sum", tmp_path / "data.img", "--json").stdout)
    assert verdict == {"sum": expected, "last": named(11, noise(1011))[3:], "seq": 11, "files": 3, "bad": 0}


def test_beacon_sum_sees_another_content(tmp_path):
    beacon_disk(tmp_path / "a.img", {named(1, b"one"): b"one", named(2, b"two"): b"two"})
    beacon_disk(tmp_path / "b.img", {named(1, b"one"): b"one", named(2, b"too"): b"too"})
    assert oracle("beacon-sum", tmp_path / "a.img").stdout != oracle("beacon-sum", tmp_path / "b.img").stdout


def test_beacon_sum_sees_a_damaged_file(tmp_path):
    beacon_disk(tmp_path / "data.img", {named(1, b"one"): b"one", named(2, b"two"): b"damaged"})
    run = oracle("beacon-sum", tmp_path / "data.img", "--json")
    assert run.returncode == 1 and json.loads(run.stdout)["bad"] == 1


def test_beacon_sum_leaves_the_disk_alone(tmp_path):
    beacon_disk(tmp_path / "data.img", {named(1, b"one"): b"one"})
    before = oracle("digest", tmp_path / "data.img").stdout
    assert oracle("beacon-sum", tmp_path / "data.img").returncode == 0
    assert oracle("digest", tmp_path / "data.img").stdout == before


def test_beacon_sum_refuses_other_disks(tmp_path, images):
    assert oracle("beacon-sum", images[0]).returncode == 2
    beacon_disk(tmp_path / "empty.img", {})
    assert oracle("beacon-sum", tmp_path / "empty.img").returncode == 2


# ---- objects and orphans ------------------------------------------------------------------------------------------


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def world(tmp_path):
    """Two control sockets that answer GET /state with what the test puts into the dictionary."""
    states, servers = {"vcenter": {"snapshots": []}, "cloudstack": {"volumes": []}}, []

    def handler_for(name):
        class Handler(http.server.BaseHTTPRequestHandler):
            def address_string(self):
                return name

            def log_message(self, *_):
                pass

            def do_GET(self):
                body = json.dumps(states[name]).encode()
                self.send_response(200 if self.path == "/state" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    for name in states:
        (tmp_path / "lab" / name).mkdir(parents=True)
        server = UnixServer(str(tmp_path / "lab" / name / "control.sock"), handler_for(name))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    yield tmp_path / "lab", states
    for server in servers:
        server.shutdown()
        server.server_close()


def orphans(lab, tmp_path, ledger, *options):
    known = tmp_path / "known.json"
    known.write_text(json.dumps(ledger))
    run = oracle("orphans", "--state", lab, "--known", known, *options)
    assert run.returncode in (0, 1), run.stderr
    result = json.loads(run.stdout)
    return run.returncode, [entry["id"] for entry in result["orphans"]], [entry["id"] for entry in result["missing"]]


def test_objects_lists_both_sides_without_history(world):
    lab, states = world
    states["vcenter"] = {"machines": [{"name": "m", "moref": "vm-1", "snapshots": [{"id": "snapshot-1", "name": "s"}]}],
                         "sessions": [{"id": "x"}]}
    states["cloudstack"] = {"volumes": [{"id": "v1", "name": "root", "state": "Ready"},
                                        {"id": "v2", "state": "Expunged"}, {"id": "v3", "removed": True}],
                            "jobs": [{"id": "j1"}]}
    objects = json.loads(oracle("objects", "--state", lab).stdout)["objects"]
    assert {(o["side"], o["kind"], o["id"]) for o in objects} == {
        ("vcenter", "machine", "vm-1"), ("vcenter", "snapshot", "snapshot-1"), ("cloudstack", "volume", "v1")}


def test_an_extra_object_is_an_orphan(world, tmp_path):
    lab, states = world
    states["cloudstack"]["volumes"] = [{"id": "v1"}, {"id": "v2"}]
    assert orphans(lab, tmp_path, [{"side": "cloudstack", "kind": "volume", "id": "v1"}]) == (1, ["v2"], [])
    assert orphans(lab, tmp_path, [{"id": "v1"}, {"id": "v2"}]) == (0, [], [])


def test_an_entry_of_the_other_side_does_not_excuse_an_object(world, tmp_path):
    lab, states = world
    states["vcenter"]["snapshots"] = [{"id": "same"}]
    assert orphans(lab, tmp_path, [{"side": "cloudstack", "id": "same"}])[0] == 1


def test_what_was_there_before_is_no_orphan(world, tmp_path):
    lab, states = world
    states["cloudstack"]["volumes"] = [{"id": "old"}]
    baseline = tmp_path / "baseline.json"
    baseline.write_text(oracle("objects", "--state", lab).stdout)
    assert orphans(lab, tmp_path, [], "--baseline", baseline) == (0, [], [])
    states["cloudstack"]["volumes"].append({"id": "new"})
    assert orphans(lab, tmp_path, [], "--baseline", baseline) == (1, ["new"], [])


def test_a_ledger_entry_without_an_object_is_told_and_counts_on_request(world, tmp_path):
    lab, _ = world
    assert orphans(lab, tmp_path, [{"side": "vcenter", "id": "gone"}]) == (0, [], ["gone"])
    assert orphans(lab, tmp_path, [{"side": "vcenter", "id": "gone"}], "--exact") == (1, [], ["gone"])


def test_a_silent_simulator_is_an_error_and_not_an_empty_world(tmp_path):
    known = tmp_path / "known.json"
    known.write_text("[]")
    assert oracle("orphans", "--state", tmp_path, "--known", known).returncode == 2


def test_a_ledger_that_is_no_list_is_an_error(world, tmp_path):
    lab, _ = world
    known = tmp_path / "known.json"
    known.write_text('{"volumes": []}')
    assert oracle("orphans", "--state", lab, "--known", known).returncode == 2
