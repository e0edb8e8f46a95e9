"""Copies on one machine: what the engine and the export server cost when no line slows them down."""

import array

import images
import ours
import servers
from bench import DEFAULT, expect
from images import GIB, KIB, MIB
from measure import OURS, Contestant, Workload
from sites import LoopDevice, Site

PEER_SERVER = "nbdkit"
OUR_SERVER = "our export server"


class LocalCopy:
    """One copy with everything on unix sockets: nbdkit reads the source for everybody. Makes `run` for contestants."""

    def __init__(self, bench, source, target, source_words=("file",), source_filters=(), new_target=None):
        self.bench = bench
        self.source_words = (*source_words, *((source,) if source else ()))
        self.source_filters = source_filters
        self.target = target
        self.new_target = new_target  # makes an empty target before each run

    def source_uri(self, stage, filters=None, words=None):
        return servers.nbdkit(stage, *(words or self.source_words),
                              filters=self.source_filters if filters is None else filters, name="source")

    def run(self, client, server=PEER_SERVER, filters=None, words=None, environment=None):
        """`client` maps the two URIs to a command."""
        if self.new_target:
            self.new_target()
        with self.bench.stage() as stage:
            source = self.source_uri(stage, filters, words)
            target = (servers.nbdkit_target(stage, self.target, is_sparse=bool(self.new_target))
                      if server == PEER_SERVER else ours.export_on_unix(self.bench, stage, self.target))
            return stage.run(client(source, target), environment=environment)

    def ours(self, server=PEER_SERVER, **options):
        return Contestant(OURS, lambda: self.run(
            lambda source, target: ours.copy(self.bench, [(source, target)], **options), server))

    def nbdcopy(self, *words, goal=None, name=DEFAULT):
        return Contestant(name, lambda: self.run(
            lambda source, target: self.bench.nbdcopy(source, target, *words)), goal, " ".join(words))

    def tuned(self, *always, goal=None):
        return self.bench.tuned(lambda *words: self.run(
            lambda source, target: self.bench.nbdcopy(source, target, *words)), goal=goal, always=always)

    def qemu_img(self, *words):
        return Contestant("qemu-img convert", lambda: self.run(
            lambda source, target: self.bench.qemu_img(source, target, *words)), None, " ".join(words))

    def loop(self):
        return Contestant("one connection, 32 MiB, synchronous", lambda: self.run(self.bench.loop))


def floor(bench, source, target, streams=2):
    """The physical floor as a contestant: no servers, no protocol."""

    def run():
        with bench.stage() as stage:
            return stage.run([bench.programs / "mk_bench_floor", source, target, streams])

    return Contestant("physical floor (two sockets, no protocol)", run)


def same(one, other):
    return lambda: expect(images.same_content(one, other), "the target differs from the source")


def dense_unix(bench):
    size = bench.size(2 * GIB)
    source = bench.image("source", images.random_bytes, size)
    target = bench.image("target", images.allocated_file, size)
    copy = LocalCopy(bench, source, target)
    return Workload("dense, unix socket", size, [
        copy.ours(), copy.nbdcopy(), copy.tuned(goal=1.4), copy.qemu_img("-W", "-m", "16"), copy.loop(),
        floor(bench, source, target)], same(source, target), "nbdkit serves both ends for everybody")


def dense_unix_our_server(bench):
    size = bench.size(2 * GIB)
    source = bench.image("source", images.random_bytes, size)
    target = bench.image("target", images.allocated_file, size)
    copy = LocalCopy(bench, source, target)
    return Workload("dense, unix socket, own server", size, [
        copy.ours(OUR_SERVER), copy.nbdcopy(), copy.tuned(goal=1.4)], same(source, target),
        "ours writes to our export server, the peers to nbdkit")


def dense_tcp(bench):
    """Both ends over TCP on the loopback interface of a network of its own."""
    size = bench.size(2 * GIB)
    source = bench.image("source", images.random_bytes, size)
    target = bench.image("target", images.allocated_file, size)

    def run(client):
        with bench.stage() as stage, Site(stage.folder) as site:
            servers.nbdkit(stage, "file", source, port=servers.NBD_PORT, site=site, name="source")
            servers.nbdkit(stage, "file", target, port=servers.NBD_PORT + 5, site=site, name="target")
            ports = (servers.NBD_PORT, servers.NBD_PORT + 5)
            return stage.run(client(*(f"nbd://127.0.0.1:{port}" for port in ports)), site=site)

    return Workload("dense, TCP", size, [
        Contestant(OURS, lambda: run(lambda a, b: ours.copy(bench, [(a, b)]))),
        Contestant(DEFAULT, lambda: run(bench.nbdcopy)),
        bench.tuned(lambda *words: run(lambda a, b: bench.nbdcopy(a, b, *words)), goal=1.4),
        Contestant("one connection, 32 MiB, synchronous", lambda: run(bench.loop)),
    ], same(source, target), "nbdkit serves both ends for everybody")


def sparse(bench):
    size, data = bench.size(64 * GIB), bench.size(2 * GIB)
    source = bench.image("source", images.scattered_file, size, data, bench.size(12288), folder=bench.disk)
    target = bench.folder("images") / "target"
    copy = LocalCopy(bench, source, target, new_target=lambda: images.sparse_file(target, size))
    return Workload("sparse, 64 GiB with 2 GiB in 12288 extents", data, [
        copy.ours(is_fresh=True), copy.nbdcopy("--destination-is-zero", goal=1.5), copy.tuned("--destination-is-zero"),
        copy.qemu_img("--target-is-zero", "-W", "-m", "16")], same(source, target), "the target is new")


def zeros(bench, run, name, goal):
    size = bench.size(3 * GIB if run > 4 * KIB else 2 * GIB)
    source = bench.image("source", lambda path: images.zero_some(images.random_bytes(path, size), run))
    target = bench.folder("images") / "target"
    copy = LocalCopy(bench, source, target, new_target=lambda: images.sparse_file(target, size))
    return Workload(name, size, [
        copy.ours(is_fresh=True), copy.nbdcopy(goal=goal),
        copy.nbdcopy("--destination-is-zero", name="nbdcopy, told that the target is zero"),
        copy.tuned("--destination-is-zero"), copy.qemu_img("--target-is-zero", "-W", "-m", "16"),
    ], same(source, target), "half of the disk is zero but allocated; the target is new")


def zeros_in_64_kib(bench):
    return zeros(bench, 64 * KIB, "50 % zero in runs of 64 KiB", 1.9)


def zeros_in_4_kib(bench):
    return zeros(bench, 4 * KIB, "50 % zero in pieces of 4 KiB", 1.4)


class Increment:
    """1 % of a disk in pieces of 64 KiB. The source is nbdkit's pattern plugin: large without taking memory."""

    def __init__(self, bench):
        self.bench = bench
        self.size = bench.size(16 * GIB)
        self.pieces = images.changed_pieces(self.size)
        self.extents = bench.image("extents", images.write_extents, self.pieces, folder=bench.folder("images"))
        self.target = bench.folder("images") / "target"
        self.moved = sum(length for _, length in self.pieces)

    def copy(self, filters=(), delay=()):
        return LocalCopy(self.bench, None, self.target, source_words=("pattern", str(self.size), *delay),
                         source_filters=filters, new_target=lambda: images.sparse_file(self.target, self.size))

    def limited_contestants(self, copy, goal):
        """nbdcopy, to which the source shows nothing but the changed pieces."""
        filters = ("extentlist", *copy.source_filters)
        words = (*copy.source_words, f"extentlist={self.extents}")

        def run(*options):
            return copy.run(lambda source, target: self.bench.nbdcopy(source, target, *options), filters=filters,
                            words=words)

        return [Contestant("nbdcopy, limited to the same extents", lambda: run("--destination-is-zero"), goal,
                           "--destination-is-zero"),
                self.bench.tuned(run, name="nbdcopy, limited, best tuned", always=("--destination-is-zero",))]

    def whole(self, copy, goal):
        """The peer's target forgets what it gets: there is no memory for a whole disk. That favours the peer."""

        def run():
            with self.bench.stage() as stage:
                target = servers.nbdkit(stage, "null", str(self.size), name="target")
                return stage.run(self.bench.nbdcopy(copy.source_uri(stage), target))

        return Contestant("nbdcopy, the whole disk (to nbdkit null)", run, goal)

    def check(self):
        with open(self.target, "rb") as target:
            for offset, length in self.pieces:
                content = array.array("Q", range(offset, offset + length, 8))
                content.byteswap()
                target.seek(offset)
                expect(target.read(length) == content.tobytes(), f"the target differs at {offset}")


def increment(bench):
    part = Increment(bench)
    copy = part.copy()
    return Workload("increment, 1 % in pieces of 64 KiB", part.moved, [
        copy.ours(extents=part.extents), *part.limited_contestants(copy, 2.2), part.whole(copy, 7)], part.check)


def increment_slow_source(bench):
    part = Increment(bench)
    copy = part.copy(filters=("delay",), delay=("rdelay=2ms",))
    return Workload("increment, source answers after 2 ms", part.moved, [
        copy.ours(extents=part.extents), *part.limited_contestants(copy, 1.6)], part.check)


def slow_source(bench):
    size = bench.size(2 * GIB)
    source = bench.image("source", images.random_bytes, size)
    target = bench.image("target", images.allocated_file, size)
    copy = LocalCopy(bench, source, target, source_words=("file", "rdelay=2ms"), source_filters=("delay",))
    return Workload("dense, source answers after 2 ms", size, [
        copy.ours(), copy.nbdcopy(goal=1.6), copy.tuned(), copy.loop()], same(source, target))


def flushed(bench, name, target, size, source):
    copy = LocalCopy(bench, source, target)
    return Workload(name, size, [
        copy.ours(OUR_SERVER), copy.nbdcopy("--flush", goal=3), copy.tuned("--flush"),
        Contestant("nbdcopy --flush to nbdkit cache=none", lambda: flushed_uncached(bench, copy)),
        Contestant("physical floor (dd, direct, from memory)", lambda: direct_write(bench, source, target))],
        same(source, target), "ours writes to our export server and flushes, the peers to nbdkit")


def direct_write(bench, source, target):
    with bench.stage() as stage:
        return stage.run(["dd", f"if={source}", f"of={target}", "bs=1M", "oflag=direct", "conv=fsync,notrunc",
                          "status=none"])


def flushed_uncached(bench, copy):
    with bench.stage() as stage:
        source = copy.source_uri(stage)
        target = servers.nbdkit(stage, "file", copy.target, "cache=none", name="target")
        return stage.run(bench.nbdcopy(source, target, "--flush"))


# Larger than what the kernel lets a program write without waiting for the disk: what is measured is the way to the disk.
FLUSHED = 6 * GIB


def flushed_file_system(bench):
    size = bench.size(FLUSHED)
    source = bench.image("source", images.random_bytes, size)
    target = images.allocated_file(bench.disk / "target", size)
    return flushed(bench, "flushed to a file system", target, size, source)


def flushed_loop_device(bench):
    size = bench.size(FLUSHED)
    source = bench.image("source", images.random_bytes, size)
    device = LoopDevice(images.allocated_file(bench.disk / "loop", size))
    bench.at_end(device.close)
    return flushed(bench, "flushed to a loop device", device.path, size, source)


def digests(bench):
    size = bench.size(2 * GIB)
    source = bench.image("source", images.random_bytes, size)
    target = bench.image("target", images.allocated_file, size)
    copy = LocalCopy(bench, source, target)
    without = copy.ours(has_digests=False)
    without.name, without.goal = "ours, without digests", 0.909
    return Workload("dense with digests", size, [copy.ours(), without], same(source, target),
                    "the goal is a cost of at most 10 %")


def many_disks(bench, count):
    """All disks at once: one engine for ours, one nbdcopy for each disk."""
    size = bench.size(2 * GIB) // count // MIB * MIB
    folders = [bench.huge / side for side in ("from", "to")]
    for folder, make in zip(folders, (images.random_bytes, images.allocated_file)):
        folder.mkdir(exist_ok=True)
        for number in range(count):
            if not (folder / f"disk{number}").exists():
                make(folder / f"disk{number}", size)

    def run(client):
        with bench.stage() as stage:
            for side, folder in zip(("source", "target"), folders):
                servers.nbdkit(stage, "file", f"dir={folder}", socket=f"{stage.folder}/{side}.sock", name=side)
            pairs = [tuple(servers.unix_uri(f"{stage.folder}/{side}.sock", f"disk{number}")
                           for side in ("source", "target")) for number in range(count)]
            return stage.run(client(pairs))

    def check():
        for number in range(count):
            expect(images.same_content(*(folder / f"disk{number}" for folder in folders)), f"disk {number} differs")

    return Workload(f"{count} disk{'s' if count > 1 else ''} at once", size * count, [
        Contestant(OURS, lambda: run(lambda pairs: ours.copy(bench, pairs))),
        Contestant("nbdcopy, one for each disk", lambda: run(lambda pairs: [bench.nbdcopy(*pair) for pair in pairs])),
    ], check)
