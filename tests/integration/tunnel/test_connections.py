"""Data and control connections while things go wrong around them."""
import resource
import signal
import socket
import ssl

import pytest

from tunnellab import end, wait_for


@pytest.mark.parametrize("protocol", ["mk-nbd/1", "mk-nbd-zstd/1", "mk-digest/1"])
@pytest.mark.parametrize("kind", ["noise", "text"])
def test_every_byte_arrives(paired, protocol, kind):
    _, vma = paired
    last, code = vma.dial(protocol, kind, 20, 2).end()
    assert code == 0, last
    assert last["payload"] == 40 << 20


def test_text_is_compressed_and_noise_is_not(paired):
    oma, vma = paired
    text, code = vma.dial("mk-nbd-zstd/1", "text", 1, 1).end()
    assert code == 0 and text["wire"] < 0.8 * text["payload"]
    noise, code = vma.dial("mk-nbd-zstd/1", "noise", 8, 1).end()
    assert code == 0 and noise["payload"] <= noise["wire"] < 1.001 * noise["payload"]
    wait_for(lambda: oma.metric("connections_total", place="hand_off") == 2, "the figures of the service")
    payload = oma.metric("payload_in_bytes_total", place="hand_off")
    assert payload == 9 * (1 << 20) + 16
    assert oma.metric("wire_in_bytes_total", place="hand_off") == text["wire"] + noise["wire"]


def test_requests_reach_the_vma(paired):
    oma, vma = paired
    assert wait_for(lambda: oma.ask(path="/100000"), "the first request") == (200, b"x" * 100000)
    end(vma.api, signal.SIGKILL)
    assert oma.ask() is None
    vma.start_api()
    wait_for(lambda: oma.ask(), "the API to be back")
    wait_for(lambda: vma.metric("round_trip_seconds", place="client") > 0, "the round trip")


def test_a_gateway_that_is_killed_cuts_no_copy_and_comes_back(paired):
    oma, vma = paired
    wait_for(lambda: oma.ask(), "the first request")
    transfer = vma.dial(rounds=1_000_000)
    transfer.next_round()
    end(oma.gateway, signal.SIGKILL)
    for _ in range(3):
        assert "round" in transfer.next_round()
    assert vma.dial().end()[0]["error"] == "unavailable"
    oma.start_gateway()
    assert vma.dial().end()[1] == 0
    wait_for(lambda: oma.ask(), "the reverse connections to be back")
    assert "round" in transfer.next_round()
    end(transfer.popen)


def test_a_service_that_is_restarted_is_found_again(paired):
    oma, vma = paired
    end(oma.service)
    assert vma.dial().end()[0]["error"] == "unavailable"
    oma.start_service()
    assert vma.dial().end()[1] == 0


def test_a_client_that_is_stopped_leaves_no_connection(paired):
    oma, vma = paired
    wait_for(lambda: oma.ask(), "the first request")
    assert end(vma.client) == 0
    assert wait_for(lambda: oma.ask() is None, "the socket to lead nowhere")
    vma.start_client()
    wait_for(lambda: oma.ask(), "the client to be back")


def test_500_half_open_connections_hold_nobody_up(paired):
    oma, vma = paired
    wait_for(lambda: oma.ask(), "the first request")
    transfer = vma.dial(rounds=1_000_000)
    transfer.next_round()
    host, port = oma.address.rsplit(":", 1)
    flood = []
    try:
        for number in range(500):
            flood.append(socket.create_connection((host, int(port)), 5))
            if number % 2:
                flood[-1].sendall(b"\x16\x03\x01\x01\x00\x01")
        for _ in range(3):
            assert "round" in transfer.next_round()
        assert vma.dial().end()[1] == 0
        assert oma.ask() == (200, b"xxxxx")
        flood[0].settimeout(20)
        assert flood[0].recv(1) == b"", "silent connections are closed"
    finally:
        for connection in flood:
            connection.close()
    assert "round" in transfer.next_round()
    end(transfer.popen)


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n", bytes(100), b"\x16\x03\x01\x00\x00"])
def test_who_speaks_no_tls_is_closed_without_a_word(oma, words):
    host, port = oma.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.settimeout(20)
        connection.sendall(words)
        try:
            assert connection.recv(100) == b""
        except ConnectionResetError:
            pass  # closed with our words unread


def tls_client(*protocols):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


@pytest.mark.parametrize("protocols", [(), ("h2", "http/1.1"), ("mk-nbd/2",)])
def test_who_asks_for_something_else_is_closed_without_a_word(oma, protocols):
    host, port = oma.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as connection, \
            pytest.raises((ssl.SSLError, ConnectionError)):
        connection.settimeout(20)
        tls_client(*protocols).wrap_socket(connection)


@pytest.mark.parametrize("protocol", ["mk-nbd/1", "mk-nbd-zstd/1", "mk-digest/1", "mk-control/1"])
def test_who_has_no_certificate_gets_an_alert_at_most(oma, protocol):
    oma.invite()
    host, port = oma.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.settimeout(20)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            stream = tls_client(protocol).wrap_socket(connection)
            # In TLS 1.3 a client's handshake is over before the server has looked for its certificate.
            certificate = stream.getpeercert(binary_form=True)
            assert b"lab-oma" not in certificate
            stream.recv(1)


def test_old_versions_of_tls_are_refused(oma):
    host, port = oma.address.rsplit(":", 1)
    context = tls_client("mk-nbd/1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((host, int(port)), 5) as connection, \
            pytest.raises((ssl.SSLError, ConnectionError)):
        connection.settimeout(20)
        context.wrap_socket(connection)


def test_a_service_uses_all_descriptors_that_it_may_have(oma):
    end(oma.gateway)
    _, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        oma.start_gateway()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert resource.prlimit(oma.gateway.pid, resource.RLIMIT_NOFILE) == (hard, hard)
