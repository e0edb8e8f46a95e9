"""Both ends of the tunnel as processes: gateway and hand-off service of an OMA, client and vma-api's place of a VMA.

The programs are looked for in $MK_BUILD_DIR (default build/dev).
"""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("MK_BUILD_DIR", ROOT / "build" / "dev")).resolve()
TUNNEL = BUILD / "bin" / "migratekit-tunnel"
PEER = BUILD / "tests" / "tunnel_peer"
LIMIT = 60


def wait_for(condition, what, limit=LIMIT):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {limit} s for {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, limit):
        super().__init__("vma", timeout=limit)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Transfer:
    """A running `tunnel_peer dial`."""

    def __init__(self, popen):
        self.popen = popen

    def next_round(self):
        return json.loads(self.popen.stdout.readline())

    def end(self, limit=LIMIT):
        """What it said last, and its exit code."""
        output, _ = self.popen.communicate(timeout=limit)
        lines = output.splitlines()
        return (json.loads(lines[-1]) if lines else {}), self.popen.returncode


class Site:
    """One side in a folder of its own; its programs may run in a network namespace."""

    def __init__(self, folder, namespace=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self.processes = []

    def popen(self, name, *argv, **options):
        with open(self.folder / f"{name}.log", "ab") as log:
            process = subprocess.Popen([*self.prefix, *map(str, argv)], stderr=log, stdin=subprocess.DEVNULL,
                                       **{"stdout": log, **options})
        self.processes.append(process)
        return process

    def run(self, *argv, text=None):
        return subprocess.run([*self.prefix, *map(str, argv)], input=text, capture_output=True, text=True, timeout=LIMIT, check=False)

    def config(self, program, **settings):
        path = self.folder / f"{program}.toml"
        path.write_text("".join(f'{key} = "{value}"\n' for key, value in settings.items()))
        return path

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def status(self):
        return json.loads(self.run(TUNNEL, "status", "--json", "--config", self.settings).stdout)

    def metric(self, name, **labels):
        return sum(m["value"] for m in self.status()["metrics"]
                   if m["name"] == "mk_tunnel_" + name and labels.items() <= m["labels"].items())

    def stop(self):
        for process in reversed(self.processes):
            end(process)


def end(process, sent=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(sent)
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        if process.stdout:
            process.stdout.close()


class Oma(Site):
    def __init__(self, folder, address="127.0.0.1", namespace=None):
        super().__init__(folder, namespace)
        self.address = f"{address}:{free_port()}"
        self.settings = self.config("gateway", listen=self.address, folder=self.folder / "tunnel", name="lab-oma",
                                    hand_off_socket=self.folder / "hand-off.sock", control_folder=self.folder / "control",
                                    metrics_folder=self.folder / "metrics")
        self.start_service()
        self.start_gateway()

    def start_gateway(self):
        self.gateway = self.popen("gateway", TUNNEL, "gateway", "--config", self.settings)
        started = self.log("gateway").count("listening on port")
        wait_for(lambda: self.log("gateway").count("listening on port") > started or self.accepts(), "the gateway")

    def accepts(self):
        host, port = self.address.rsplit(":", 1)
        script = f"import socket; socket.create_connection(('{host}', {port}), 2)"
        return self.run(sys.executable, "-c", script).returncode == 0

    def start_service(self):
        self.service = self.popen("service", PEER, "serve", self.folder / "tunnel", self.folder / "hand-off.sock",
                                  self.folder / "metrics")
        wait_for((self.folder / "hand-off.sock").exists, "the hand-off socket")

    def invite(self):
        answer = json.loads(self.run(TUNNEL, "invite", "--json", "--config", self.settings).stdout)
        return answer["code"]

    def unpair(self, appliance_id):
        return self.run(TUNNEL, "unpair", "--config", self.settings, appliance_id)

    def ask(self, appliance_id="vma-1", path="/", limit=10):
        """GET at the VMA; (status, body), or None when the tunnel closed the connection."""
        connection = UnixConnection(self.folder / "control" / f"{appliance_id}.sock", limit)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


API = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"x" * int(self.path[1:] or 5)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class Vma(Site):
    def __init__(self, folder, appliance_id="vma-1", namespace=None):
        super().__init__(folder, namespace)
        self.api_port = free_port()
        (self.folder / "token").write_text("token of vma-api\n")
        self.settings = self.config("client", folder=self.folder / "tunnel", appliance_id=appliance_id, name="lab-vma",
                                    vma_api=f"127.0.0.1:{self.api_port}", vma_token_file=self.folder / "token",
                                    metrics_folder=self.folder / "metrics")

    def start_api(self):
        self.api = self.popen("api", sys.executable, "-c", API, self.api_port)

    def start_client(self):
        self.client = self.popen("client", TUNNEL, "client", "--config", self.settings)

    def pair(self, oma, code):
        return self.run(TUNNEL, "pair", "--config", self.settings, "--gateway", oma.address, text=code + "\n")

    def dial(self, protocol="mk-nbd/1", kind="noise", mebibytes=1, rounds=1, *limit):
        return Transfer(self.popen("dial", PEER, "dial", self.folder / "tunnel", protocol, kind, mebibytes, rounds, *limit,
                                   stdout=subprocess.PIPE, text=True))

    def log_of_pairing(self, output):
        return re.findall(r"(?:[0-9a-f]{4} ?){16}", output)
