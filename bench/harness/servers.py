"""Servers of the peers: nbdkit, qemu-nbd, stunnel; and the certificates they need."""

import os
import pathlib

from processes import command_output

NBD_PORT = 10809
TLS_PORT = 10810
STUNNEL_PORT = 10811
PROXY_PORT = 10443


def unix_uri(socket, export=""):
    return f"nbd+unix:///{export}?socket={socket}"


def nbdkit(stage, *words, filters=(), socket=None, port=None, site=None, tls=None, counts=True, name="nbdkit"):
    """Starts nbdkit with the given plugin and parameters on a unix socket or a TCP port; returns the URI of its export."""
    pid_file = pathlib.Path(stage.folder) / f"{name}-{len(stage.servers)}-{len(stage.bystanders)}.pid"
    command = ["nbdkit", "--foreground", "--exit-with-parent", "--pidfile", pid_file]
    for one in filters:
        command += ["--filter", one]
    if tls:
        command += ["--tls=require", "--tls-verify-peer", f"--tls-certificates={tls}"]
    if port:
        command += ["--port", port]
    else:
        socket = socket or f"{pid_file}.sock"
        pathlib.Path(socket).unlink(missing_ok=True)
        command += ["--unix", socket]
    pid_file.unlink(missing_ok=True)
    server = stage.serve([*command, *words], site=site, counts=counts)
    server.wait_for(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"), "pid file")
    return unix_uri(socket) if not port else None


def nbdkit_target(stage, file, is_sparse=False, **options):
    """nbdkit over a file. Of one with holes in memory it would walk over all pages for each connection, although nobody
    asks for a target's extents: the filter spares everybody that."""
    return nbdkit(stage, "file", file, filters=("noextents",) if is_sparse else (), name="target", **options)


def proxy(stage, programs, connect, site, delay_ms=0, holds_kib=4096, cut_every=0, cuts=0):
    """A stretch of line in front of (host, port); prints what it carried when it is stopped."""
    server = stage.serve([programs / "mk_bench_proxy", PROXY_PORT, *connect, delay_ms, holds_kib, cut_every, cuts],
                         site=site, counts=False)
    server.wait_for(lambda: server.output().startswith("ready"), "ready")
    return server


def stunnel_pair(stage, certificates, socket, client_site, server_site, host, connect_port, tunnel_port=STUNNEL_PORT):
    """stunnel on both sides of the line; returns the unix socket at the client's side. NBD stays plain inside."""
    folder = pathlib.Path(stage.folder)
    common = f"foreground = yes\nsyslog = no\ndebug = notice\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
    common += f"CAfile = {certificates}/ca-cert.pem\nverifyChain = yes\nsslVersion = TLSv1.3\n"
    server_file = folder / "stunnel-server.conf"
    server_file.write_text(f"pid =\n{common}cert = {certificates}/server-cert.pem\nkey = {certificates}/server-key.pem\n"
                           f"[nbd]\naccept = {host}:{tunnel_port}\nconnect = {host}:{connect_port}\n")
    client_file = folder / "stunnel-client.conf"
    pathlib.Path(socket).unlink(missing_ok=True)
    client_file.write_text(f"pid =\n{common}client = yes\ncert = {certificates}/client-cert.pem\n"
                           f"key = {certificates}/client-key.pem\n"
                           f"[nbd]\naccept = {socket}\nconnect = {host}:{tunnel_port}\n")
    server = stage.serve(["stunnel", server_file], site=server_site)
    server.wait_for(lambda: "Configuration successful" in server.output(), "configuration")
    client = stage.serve(["stunnel", client_file], site=client_site)
    client.wait_for(lambda: os.path.exists(socket), "socket")
    return unix_uri(socket)


def make_certificates(folder):
    """An authority, a server and a client certificate under the names that libnbd and nbdkit look for."""
    folder = pathlib.Path(folder)
    folder.mkdir(mode=0o700, exist_ok=True)

    def openssl(*words):
        command_output(["openssl", *words], cwd=folder)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "7"]
    openssl("req", "-x509", *curve, "-keyout", "ca-key.pem", "-out", "ca-cert.pem", "-subj", "/CN=bench authority")
    names = {"server": "DNS:localhost,IP:127.0.0.1,IP:10.77.0.2", "client": "DNS:client"}
    for role, alternatives in names.items():
        extensions = folder / f"{role}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\nextendedKeyUsage={role}Auth\n"
                              "keyUsage=digitalSignature\nbasicConstraints=CA:FALSE\n")
        openssl("req", *curve, "-keyout", f"{role}-key.pem", "-out", f"{role}.csr", "-subj", f"/CN={role}")
        openssl("x509", "-req", "-in", f"{role}.csr", "-CA", "ca-cert.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
                "-days", "7", "-extfile", extensions, "-out", f"{role}-cert.pem")
    return folder
