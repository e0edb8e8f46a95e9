"""The product's side: mk_bench_copy (engine, NBD client, tunnel) and mk_bench_export (export server, tunnel's end)."""

import pathlib

import servers
from processes import command_output

EXPORT = "disk"
GATEWAY_PORT = 443


def copy(bench, pairs, extents=None, is_fresh=False, has_digests=True, tunnel=None):
    """Command line of the engine. A target is a URI, or "tunnel:EXPORT" for one behind the paired gateway."""
    command = [bench.programs / "mk_bench_copy"]
    if extents:
        command += ["--extents", extents]
    if is_fresh:
        command += ["--fresh"]
    if not has_digests:
        command += ["--no-digests"]
    if tunnel:
        command += ["--tunnel", tunnel]
    for source, target in pairs:
        command += [source, target]
    return command


def export_on_unix(bench, stage, file):
    """Our export server on a unix socket; returns the URI."""
    socket = pathlib.Path(stage.folder) / "export.sock"
    socket.unlink(missing_ok=True)
    server = stage.serve([bench.programs / "mk_bench_export", "--unix", socket, f"{EXPORT}={file}"])
    server.wait_for(lambda: "ready" in server.output(), "ready")
    return servers.unix_uri(socket, EXPORT)


def export_behind_tunnel(bench, stage, file, site, address, folder):
    """Our export server behind the gateway's port; returns the target for copy()."""
    socket = pathlib.Path(stage.folder) / "hand-off.sock"
    socket.unlink(missing_ok=True)
    server = stage.serve([bench.programs / "mk_bench_export", "--hand-off", socket, "--folder", folder,
                          f"{EXPORT}={file}"], site=site)
    server.wait_for(lambda: "ready" in server.output(), "ready")
    gateway = stage.serve([bench.programs / "mk_bench_gateway", address, GATEWAY_PORT, socket, folder], site=site)
    gateway.wait_for(lambda: "ready" in gateway.output(), "ready")
    return f"tunnel:{EXPORT}"


def make_identities(bench, folder, gateway):
    """Both sides' identities, paired with each other."""
    folder.mkdir(mode=0o700)
    command_output([bench.programs / "mk_bench_pair", folder / "vma", folder / "oma", gateway])
    return folder
