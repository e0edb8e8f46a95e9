"""The lab's vCenter, targets and the VMA service as processes, for the tests of this folder.

The programs are looked for in $MK_BUILD_DIR/bin (default build/dev) and in build/lab.
"""
import http.client
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid

import xxhash

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("MK_BUILD_DIR", ROOT / "build" / "dev")).resolve()
LAB_VCENTER = ROOT / "build" / "lab" / "lab-vcenter"
VMA_API = BUILD / "bin" / "vma-api"
ENGINE = BUILD / "bin" / "migratekit-engine"
LIMIT = 90


def wait_for(condition, what, limit=LIMIT):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {limit} s for {what}")


class Process:
    """A program that is ended, and if need be killed, when the test is over."""

    def __init__(self, argv, log):
        self.log = log
        with open(log, "ab") as output:
            self.popen = subprocess.Popen([str(part) for part in argv], stdout=output, stderr=output,
                                          stdin=subprocess.DEVNULL)

    def stop(self, limit=60):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(limit)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        return self.popen.wait()

    def kill(self):
        self.popen.kill()
        self.popen.wait()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("lab")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Vcenter:
    def __init__(self, folder):
        self.folder = folder
        self.process = Process([LAB_VCENTER, "--state", folder, "--inventory",
                                ROOT / "lab" / "vcenter" / "inventory.json", "--no-guests"], folder / "log")
        wait_for((folder / "endpoint.json").exists, "the lab's vCenter")
        self.endpoint = json.loads((folder / "endpoint.json").read_text())
        self.password = pathlib.Path(self.endpoint["password_file"]).read_text().strip()

    def access(self, **changes):
        return {"vcenter": self.endpoint["url"], "username": self.endpoint["username"], "password": self.password,
                "certificate_sha256": self.endpoint["certificate_sha256"], **changes}

    def control(self, method, path, body=None):
        connection = UnixConnection(self.folder / "control.sock")
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)

    def write(self, machine, disk, offset, length):
        return self.control("POST", "/op", {"op": "write", "machine": machine, "disk": disk, "offset": offset,
                                            "random": True, "length": length})

    def machine(self, name):
        return next(m for m in self.endpoint["machines"] if m["name"] == name)

    def snapshots(self, name):
        state = self.control("GET", "/state")
        return next(m for m in state["machines"] if m["name"] == name)["snapshots"]

    def content(self, name, key):
        disk = next(d for d in self.machine(name)["disks"] if d["key"] == key)
        return pathlib.Path(disk["live_file"]).read_bytes()


class TargetDisk:
    """A file behind an NBD server: what a write session is at the other site."""

    def __init__(self, folder, name, size, *filters):
        self.folder = folder
        self.file = folder / f"{name}.img"
        self.socket = folder / f"{name}.sock"
        self.process = None
        with open(self.file, "wb") as file:
            file.truncate(size)
        self.serve(*filters)

    def serve(self, *arguments):
        """Filters begin with --; the others are their parameters."""
        self.stop()
        pid_file = self.folder / f"{self.file.stem}.pid"
        pid_file.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)
        filters = [a for a in arguments if a.startswith("--")]
        parameters = [a for a in arguments if not a.startswith("--")]
        self.process = Process(["nbdkit", "-f", "-U", self.socket, "--pidfile", pid_file, *filters, "file", self.file,
                                *parameters], self.folder / "nbdkit.log")
        wait_for(pid_file.exists, "nbdkit")

    @property
    def uri(self):
        return f"nbd+unix:///{self.file.stem}?socket={self.socket}"

    def content(self):
        return self.file.read_bytes()

    def stop(self):
        if self.process:
            self.process.kill()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Vma:
    def __init__(self, folder, engines=4, appliance_id="vma-test", vddk_library_folder=None):
        self.folder = folder
        self.config = folder / "vma.toml"
        self.port = free_port()
        self.process = None
        self.config.write_text(f'listen = "127.0.0.1:{self.port}"\ntoken_file = "{folder}/token"\n'
                               f'state_folder = "{folder}/jobs"\nappliance_id = "{appliance_id}"\n'
                               f'[limits]\nengines = {engines}\n' +
                               (f'[readers]\nvddk_library_folder = "{vddk_library_folder}"\n' if vddk_library_folder else ""))

    def start(self):
        self.process = Process([VMA_API, "--config", self.config], self.folder / "vma.log")
        wait_for(lambda: self.process.popen.poll() is not None or self.is_up(), "vma-api")
        assert self.process.popen.poll() is None, self.log()
        self.token = (self.folder / "token").read_text().strip()
        return self

    def log(self):
        return (self.folder / "vma.log").read_text()

    def is_up(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).status == 200
        except OSError:
            return False

    def call(self, method, path, body=None, token=None):
        """(status, answer)"""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={"Authorization": f"Bearer {token or self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as answer:
            return answer.code, json.loads(answer.read() or b"null")

    def progress(self, job):
        status, answer = self.call("GET", f"/api/v1/progress/{job}")
        assert status == 200, answer
        return answer

    def wait_end(self, job):
        return wait_for(lambda: (p := self.progress(job))["state"] != "running" and p, f"the end of job {job}")

    def wait_stage(self, job, stage):
        return wait_for(lambda: (p := self.progress(job))["stage"] == stage and p, f"stage {stage} of job {job}")

    def checkpoint(self, instance_uuid):
        return self.folder / "jobs" / "checkpoints" / f"{instance_uuid.lower()}.jsonl"

    def engines(self):
        """Process ids of the engines that this service started."""
        found = subprocess.run(["pgrep", "-P", str(self.process.popen.pid), "-f", "migratekit-engine"],
                               capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def stop(self):
        return self.process.stop()


def run_digest(content, offset):
    """What the product says of a run of a disk that begins at `offset`: docs/data-plane.md section 4."""
    leaf = 256 * 1024
    cuts = [0, *range(leaf - offset % leaf, len(content), leaf), len(content)]
    leaves = (xxhash.xxh3_128_digest(content[a:b]) for a, b in zip(cuts, cuts[1:]) if a < b)
    return xxhash.xxh3_128_hexdigest(b"".join(leaves))


def new_job():
    return str(uuid.uuid4())


def temporary_folder():
    return tempfile.TemporaryDirectory(prefix="mk-vma-")
