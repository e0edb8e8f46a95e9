"""Copies between two sites: TLS, slow lines, cuts, and what goes over the wire."""

import json

import images
import ours
import servers
from bench import expect
from images import GIB, MIB
from local_workloads import same
from measure import OURS, Contestant, Figure, Workload
from sites import TARGET_ADDRESS, Line, Site

# A client resolves the gateway's address once, at pairing; the proxy or the gateway listens there.
LOCAL = "127.0.0.1"
# Settings that help on lines with a delay: more in flight.
LINE_TUNINGS = (
    (),
    ("--connections=8", "--requests=64"),
    ("--connections=4", "--requests=16", "--request-size=1048576"),
    ("--connections=1",),
)


class Loopback:
    """Both ends in one network of their own: what TLS costs."""

    delay_ms = 0
    holds_kib = 256

    def __init__(self, folder):
        self.source = self.target = Site(folder)
        self.address = LOCAL

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.source.close()


class WideArea(Line):
    """A line of a given rate, with a delay in both directions added by the proxy at the source's side."""

    def __init__(self, folder, rate, burst, delay_ms, holds_kib):
        super().__init__(folder, rate, burst)
        self.delay_ms = delay_ms
        self.holds_kib = holds_kib
        self.address = TARGET_ADDRESS


class TunnelCopy:
    """The source is read by nbdkit on a unix socket, everybody's way to the target is encrypted."""

    def __init__(self, bench, source, target, network, source_words=("file",), source_filters=(), new_target=None):
        self.bench = bench
        self.source_filters = source_filters
        self.source_words = (*source_words, *((source,) if source else ()))
        self.target = target
        self.network = network
        self.new_target = new_target

    def staged(self, act):
        if self.new_target:
            self.new_target()
        with self.bench.stage() as stage, self.network(stage.folder) as network:
            source = servers.nbdkit(stage, *self.source_words, filters=self.source_filters, site=network.source,
                                    name="source")
            return act(stage, network, source)

    def way(self, stage, network, port, cut_every=0, cuts=0):
        """(host, port, proxy) that a client at the source's side dials to reach `port` of the target's side."""
        if not network.delay_ms and not cut_every:
            return network.address, port, None
        proxy = servers.proxy(stage, self.bench.programs, (network.address, port), network.source,
                              network.delay_ms, network.holds_kib, cut_every, cuts)
        return LOCAL, servers.PROXY_PORT, proxy

    def nbdcopy(self, *words, goal=None, name="nbdcopy over TLS"):
        return Contestant(name, lambda: self.nbdcopy_run(*words), goal, " ".join(words))

    def nbdcopy_run(self, *words):
        def act(stage, network, source):
            certificates = self.bench.certificates()
            servers.nbdkit_target(stage, self.target, bool(self.new_target), port=servers.TLS_PORT,
                                  site=network.target, tls=certificates)
            host, port, _ = self.way(stage, network, servers.TLS_PORT)
            target = f"nbds://{host}:{port}/?tls-certificates={certificates}"
            return stage.run(self.bench.nbdcopy(source, target, *words), site=network.source)

        return self.staged(act)

    def tuned(self, candidates, *always, goal=None):
        return self.bench.tuned(self.nbdcopy_run, candidates, goal, "nbdcopy over TLS, best tuned", always)

    def through_stunnel(self, *words, goal=None):
        def act(stage, network, source):
            servers.nbdkit_target(stage, self.target, bool(self.new_target), port=servers.NBD_PORT,
                                  site=network.target)
            target = servers.stunnel_pair(stage, self.bench.certificates(), f"{stage.folder}/stunnel.sock",
                                          network.source, network.target, network.address, servers.NBD_PORT)
            return stage.run(self.bench.nbdcopy(source, target, *words), site=network.source)

        return Contestant("nbdcopy through a stunnel pair", lambda: self.staged(act), goal, " ".join(words))

    def ours(self, **options):
        return Contestant(OURS, lambda: self.ours_run(**options)[0])

    def ours_run(self, cut_every=0, cuts=0, is_counted=False, **options):
        """(Sample, what the proxy carried or nothing)."""

        def act(stage, network, source):
            host, port, proxy = self.way(stage, network, ours.GATEWAY_PORT, cut_every or int(is_counted), cuts)
            identities = self.bench.identities(f"{host}:{port}")
            target = ours.export_behind_tunnel(self.bench, stage, self.target, network.target, network.address,
                                               identities / "oma")
            command = ours.copy(self.bench, [(source, target)], tunnel=identities / "vma", **options)
            sample = stage.run(command, site=network.source)
            if proxy:
                proxy.stop()
            return sample, json.loads(proxy.output().splitlines()[-1]) if proxy else None

        return self.staged(act)


def dense_tls(bench):
    size = bench.size(2 * GIB)
    source = bench.image("source", images.random_bytes, size)
    target = bench.image("target", images.allocated_file, size)
    copy = TunnelCopy(bench, source, target, Loopback)
    return Workload("dense, TLS", size, [
        copy.ours(), copy.nbdcopy(goal=1.5),
        copy.tuned(((), ("--connections=2",), ("--connections=2", "--requests=16", "--request-size=1048576"))),
        copy.through_stunnel(goal=3)], same(source, target),
        "mutual certificates, TLS 1.3; ours through the gateway and our export server, the peers to nbdkit")


def wide_area(bench, name, size, rate, burst, delay_ms, goal, floor_rate):
    source = bench.image("source", images.operating_system_files, size)
    target = bench.folder("images") / "target"
    holds_kib = max(128, int(2 * delay_ms / 1000 * floor_rate) // 1024)  # twice what the line has under way one way
    copy = TunnelCopy(bench, source, target, lambda folder: WideArea(folder, rate, burst, delay_ms, holds_kib),
                      new_target=lambda: images.sparse_file(target, size))
    return Workload(name, size, [
        copy.ours(is_fresh=True), copy.nbdcopy(goal=goal), copy.tuned(LINE_TUNINGS, "--destination-is-zero")],
        same(source, target), "operating-system files; the target is new",
        f"{size / floor_rate:.1f} s for the uncompressed bytes at the line's rate")


def hundred_megabit(bench):
    return wide_area(bench, "100 Mbit/s + 20 ms, operating-system files", bench.size(192 * MIB), "100mbit", "64k", 10,
                     3, 100e6 / 8)


def gigabit(bench):
    return wide_area(bench, "1 Gbit/s, operating-system files", bench.size(1 * GIB), "1gbit", "256k", 0, 2, 1e9 / 8)


def gigabit_delayed(bench):
    return wide_area(bench, "1 Gbit/s + 20 ms, operating-system files", bench.size(1 * GIB), "1gbit", "256k", 10,
                     None, 1e9 / 8)


# Figures: one run each, because they count bytes.

def wire_of_increment(bench):
    """Bytes over the line for an increment of bytes that nothing compresses, against the changed bytes."""
    size = bench.size(2 * GIB)
    source = bench.image("source", images.random_bytes, size)
    target = bench.folder("images") / "target"
    pieces = images.changed_pieces(size)
    moved = sum(length for _, length in pieces)
    copy = TunnelCopy(bench, source, target, Loopback, new_target=lambda: images.sparse_file(target, size))
    extents = bench.image("extents", images.write_extents, pieces, folder=bench.folder("images"))
    _, carried = copy.ours_run(is_counted=True, extents=extents)
    expect(images.same_pieces(source, target, pieces), "the target differs from the source")
    overhead = (carried["up"] + carried["down"]) / moved - 1
    return [Figure("bytes on the wire for an increment, above the changed bytes", round(100 * overhead, 2), "%", 2,
                   f"{moved} changed bytes, {carried['up']} sent and {carried['down']} received, "
                   "TCP payload, TLS included")]


def cuts(bench):
    """All connections are reset a hundred times in the course of one copy."""
    number = 100
    size = bench.size(6 * GIB)
    part = bench.image("source", images.random_bytes, size // 4)
    target = bench.folder("images") / "target"
    # nbdkit 1.32's split plugin crashes when it is asked for the extents of parts that are large.
    copy = TunnelCopy(bench, None, target, Loopback, source_words=("split", *[part] * 4), source_filters=("noextents",),
                      new_target=lambda: images.sparse_file(target, size))
    _, whole = copy.ours_run(is_counted=True)
    _, cut = copy.ours_run(cut_every=size // (number + 1), cuts=number)
    with open(target, "rb") as written, open(part, "rb") as original:
        while block := written.read(MIB):
            if written.tell() % (size // 4) == len(block) % (size // 4):
                original.seek(0)
            expect(block == original.read(len(block)), f"the target differs before {written.tell()}")
    ratio = (cut["up"] + cut["down"]) / (whole["up"] + whole["down"])
    return [Figure("bytes of a copy that was cut 100 times, against an uncut one", round(ratio, 4), "x", 1.05,
                   f"{size // MIB} MiB, {cut['cuts']} cuts, {cut['connections']} connections"),
            Figure("cuts that did not happen", number - cut["cuts"], "", 0)]
