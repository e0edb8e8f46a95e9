"""A running volume-daemon against a lab-cloudstack, in a temporary folder, reached through its REST API and its exports."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import xxhash

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "integration" / "cloudstack"))

from cloudlab import Cloud, wait_for  # noqa: E402  (a module of the neighbouring tests)

BUILD = pathlib.Path(os.environ.get("MK_BUILD_DIR", ROOT / "build" / "dev"))
DAEMON = BUILD / "bin" / "volume-daemon"
SEED = BUILD / "tests" / "seed_config"
GIB = 1 << 30
MIB = 1 << 20
LEAF = 256 * 1024
UNIT = 32 * MIB
ZERO_LEAF = xxhash.xxh3_128_digest(bytes(LEAF))


ZEROS = bytes(LEAF)


class Refused(Exception):
    """A problem document."""

    def __init__(self, status, problem):
        super().__init__(json.dumps(problem))
        self.status = status
        self.problem = problem


class Failed(Exception):
    """An operation that ended failed."""

    def __init__(self, operation):
        super().__init__(json.dumps(operation))
        self.error = operation["error"]


class Daemon:
    def __init__(self, folder, cloud, **settings):
        self.folder = pathlib.Path(folder)
        self.cloud = cloud
        self.staging = self.folder / "staging"
        self.settings = {"staging_folder": str(self.staging), **settings}
        self.process = None

    def write_config(self):
        lines = {"listen": "127.0.0.1:0", "nbd_listen": "127.0.0.1:0", "database": f"sqlite:{self.folder}/oma.db",
                 "migrations": str(ROOT / "migrations"), "key_file": f"{self.folder}/key", "token_file": f"{self.folder}/token",
                 "state_folder": f"{self.folder}/state", "links_folder": f"{self.folder}/links",
                 "device_directory": self.cloud.endpoint["device_directory"], "staging_reserve_mib": 16}
        lines.update(self.settings)
        text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())
        (self.folder / "daemon.toml").write_text(text + "\n")

    def seed(self, **changes):
        settings = {**self.cloud.endpoint, "secret_key": self.cloud.secret, **changes}
        subprocess.run([SEED, f"sqlite:{self.folder}/oma.db", ROOT / "migrations", self.folder / "key"],
                       input=json.dumps(settings).encode(), check=True)

    def start(self):
        self.write_config()
        self.log = self.folder / "daemon.log"
        offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([DAEMON, "--config", self.folder / "daemon.toml"], stderr=log)
        wait_for(lambda: self.process.poll() is not None or "listening on" in self.log.read_text()[offset:])
        assert self.process.poll() is None, self.log.read_text()
        words = self.log.read_text()[offset:].split("listening on ")[1].split(",")
        self.base = "http://" + words[0]
        self.nbd_port = int(words[1].split()[-1])
        self.token = (self.folder / "token").read_text().strip()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def call(self, method, path, body=None, token=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        request.add_header("Authorization", "Bearer " + (token or self.token))
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.loads(error.read())) from None

    def begin(self, method, path, body=None):
        return self.call(method, path, body)["operation_id"]

    def finish(self, operation):
        def ended():
            view = self.call("GET", f"/api/v1/operations/{operation}")
            return view if view["state"] != "running" else None
        view = wait_for(ended, 120)
        if view["state"] != "completed":
            raise Failed(view)
        return view["result"]

    def do(self, method, path, body=None):
        return self.finish(self.begin(method, path, body))

    # What tests need again and again.

    def create(self, disk="disk-2000", context="ctx-web-20260101-000000", size=GIB):
        return self.do("POST", "/api/v1/volumes",
                       {"vm_context_id": context, "disk_id": disk, "name": "web", "size_bytes": size})

    def attached(self, disk="disk-2000", **more):
        volume = self.create(disk, **more)
        return self.do("POST", f"/api/v1/volumes/{volume['volume_id']}/attach", {})

    def open(self, volume, kind, job="job-1", length=GIB, **more):
        return self.call("POST", "/api/v1/write-sessions",
                         {"job_id": job, "volume_id": volume, "length": length, "kind": kind, **more})

    def commit(self, session):
        return self.do("POST", f"/api/v1/write-sessions/{session['session_id']}/commit", {})

    def digest(self, volume):
        return self.do("POST", f"/api/v1/volumes/{volume}/digest", {})["digest"]

    def side_digest(self, volume):
        """The same digest, computed from the file behind the volume by somebody else."""
        with open(self.cloud.file(volume), "rb") as file:
            return digest_of(file)


def digest_of(file):
    overall = hashlib.sha256()
    while leaf := file.read(LEAF):
        overall.update(ZERO_LEAF if leaf == ZEROS else xxhash.xxh3_128_digest(leaf))
    return overall.hexdigest()


def run_digest(data, offset=0):
    """Of a run that begins at `offset` of its disk, by the definition in base/block_digest."""
    first = LEAF - offset % LEAF
    leaves = [data[:first], *(data[at:at + LEAF] for at in range(first, len(data), LEAF))]
    return xxhash.xxh3_128_hexdigest(b"".join(xxhash.xxh3_128_digest(leaf) for leaf in leaves))


def holds(cloud, volume, expected):
    with open(cloud.file(volume), "rb") as file:
        for offset, data in expected.items():
            file.seek(offset)
            if file.read(len(data)) != data:
                return False
    return True


def nbd(uri):
    """A connection of libnbd to an export."""
    import nbd as libnbd
    handle = libnbd.NBD()
    handle.connect_uri(uri)
    return handle


__all__ = ["BUILD", "DAEMON", "SEED", "GIB", "MIB", "UNIT", "Cloud", "Daemon", "Failed", "Refused", "digest_of", "holds", "nbd", "run_digest", "wait_for", "time"]
