"""Two sites as two network namespaces, joined by a slow wire that is cut now and then."""
import subprocess
import time

import pytest

from tunnellab import Oma, Vma, end, wait_for


def tc(namespace, *rate):
    subprocess.run(["ip", "netns", "exec", namespace, "tc", "qdisc", "replace", "dev", "site0", "root", "tbf", "rate", *rate],
                   check=True, timeout=20)


def link(namespace, state):
    subprocess.run(["ip", "-n", namespace, "link", "set", "site0", state], check=True, timeout=20)


@pytest.fixture
def apart(network, folder, sites):
    at_vma, at_oma, address = network
    oma = Oma(folder / "oma", address, at_oma)
    sites.append(oma)
    vma = Vma(folder / "vma", namespace=at_vma)
    sites.append(vma)
    done = vma.pair(oma, oma.invite())
    assert done.returncode == 0, done.stderr
    vma.start_api()
    vma.start_client()
    wait_for(lambda: oma.ask(), "the first request")
    return oma, vma, at_vma, at_oma


def test_a_slow_wire_carries_fewer_bytes_than_are_sent(apart):
    _, vma, at_vma, _ = apart
    tc(at_vma, "100mbit", "burst", "64k", "latency", "50ms")
    # What fills the buffers of the sockets before the wire is known to be slow may go as it is.
    text, code = vma.dial("mk-nbd-zstd/1", "text", 64, 1).end()
    assert code == 0 and text["wire"] < 0.6 * text["payload"], text
    noise, code = vma.dial("mk-nbd-zstd/1", "noise", 8, 1).end()
    assert code == 0 and noise["wire"] < 1.001 * noise["payload"]


def test_a_wire_that_was_cut_for_seconds_loses_nothing(apart):
    oma, vma, at_vma, _ = apart
    tc(at_vma, "50mbit", "burst", "64k", "latency", "50ms")
    transfer = vma.dial("mk-nbd/1", "noise", 1, 60)
    transfer.next_round()
    for _ in range(2):
        link(at_vma, "down")
        time.sleep(1.5)  # the length of the cut: what is tested, not a way to wait
        link(at_vma, "up")
        assert "round" in transfer.next_round()
    last, code = transfer.end()
    assert code == 0 and last["round"] == 60
    assert wait_for(lambda: oma.ask(), "requests after the cuts") == (200, b"xxxxx")


def test_the_gateway_is_found_again_after_it_was_away_behind_a_cut(apart):
    oma, vma, at_vma, _ = apart
    link(at_vma, "down")
    end(oma.gateway)
    oma.start_gateway()
    link(at_vma, "up")
    # The old connections are known to be dead as soon as the first word on them is answered with a reset.
    wait_for(lambda: oma.ask(limit=2), "the reverse connections to be back")
    assert vma.dial().end()[1] == 0


def test_one_port_is_all_that_is_used(apart):
    oma, vma, at_vma, at_oma = apart
    transfer = vma.dial("mk-nbd-zstd/1", "text", 1, 1_000_000)
    transfer.next_round()
    wait_for(lambda: oma.ask(), "a request")
    peers = [there for here, there in sockets(at_vma, "established") if here.startswith("10.77.0.1:")]
    assert len(peers) > 4 and set(peers) == {oma.address}
    assert {here for here, _ in sockets(at_oma, "listening")} == {oma.address}
    end(transfer.popen)


def sockets(namespace, state):
    """Own and other address of the TCP sockets in that state."""
    done = subprocess.run(["ip", "netns", "exec", namespace, "ss", "-H", "-O", "-t", "-n", "state", state], check=True, timeout=20,
                          capture_output=True, text=True)
    return [line.split()[2:4] for line in done.stdout.splitlines()]
