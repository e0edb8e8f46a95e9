"""A running lab-cloudstack in a temporary state directory, reached through Debian's python3-cs.

The client is one that nobody here wrote, so that simulator and product cannot share a misunderstanding.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest
from cs import CloudStack, CloudStackApiException

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "build" / "lab" / "lab-cloudstack"
GIB = 1 << 30
LIMIT = 30.0  # seconds; nothing here takes that long unless it hangs


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        folder = os.open(os.path.dirname(self.path), os.O_PATH)  # socket paths are limited to 107 characters
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(self.path)}")
        finally:
            os.close(folder)


class Failure(Exception):
    """A job that failed, with what it said."""

    def __init__(self, job):
        super().__init__(str(job))
        self.job = job
        self.code = job["jobresultcode"]
        self.text = job.get("jobresult", {}).get("errortext", "")


class Cloud:
    """A running simulator: its API as administrator and as tenant, and its side channel."""

    def __init__(self, state, program=PROGRAM):
        self.state = pathlib.Path(state)
        self.program = program
        self.process = None

    def start(self, *arguments):
        (self.state / "endpoint.json").unlink(missing_ok=True)
        self.log = open(self.state / "test.log", "ab")
        self.process = subprocess.Popen([self.program, "--state", self.state, *arguments], stderr=self.log)
        wait_for(lambda: self.process.poll() is not None or (self.state / "endpoint.json").exists())
        assert self.process.poll() is None, (self.state / "test.log").read_text()
        self.endpoint = json.loads((self.state / "endpoint.json").read_text())
        self.url = self.endpoint["url"]
        self.key = self.endpoint["api_key"]
        self.secret = pathlib.Path(self.endpoint["secret_key_file"]).read_text().strip()
        self.user_key = self.endpoint["user_api_key"]
        self.user_secret = pathlib.Path(self.endpoint["user_secret_key_file"]).read_text().strip()
        self.api = self.client(self.key, self.secret)
        self.user = self.client(self.user_key, self.user_secret)

    def client(self, key, secret, **options):
        return CloudStack(self.url, key, secret, timeout=LIMIT, poll_interval=0.05, **options)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(LIMIT)
        self.log.close()

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)
        self.log.close()

    def side(self, method, path, body=None):
        connection = UnixConnection(str(self.state / "control.sock"))
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        if answer.status != 200:
            raise ValueError(content["error"])
        return content

    def fault(self, name, **values):
        return self.side("POST", "/fault", {"name": name, **values})

    def op(self, name, **values):
        return self.side("POST", "/op", {"name": name, **values})

    def set(self, setting, value):
        self.op("set", setting=setting, value=value)

    def inventory(self):
        return self.side("GET", "/state")

    def job(self, jobid):
        """Polls a job to its end and returns it whole, whatever became of it."""
        return wait_for(lambda: self._finished(jobid))

    def _finished(self, jobid):
        job = self.api.queryAsyncJobResult(jobid=jobid)
        return job if job["jobstatus"] else None

    def do(self, command, client=None, **parameters):
        """Runs an asynchronous command to its end; Failure when its job failed."""
        answer = getattr(client or self.api, command)(**parameters)
        job = self.job(answer["jobid"])
        if job["jobstatus"] != 1:
            raise Failure(job)
        return job["jobresult"]

    # What tests need again and again.

    def volume(self, name="disk", size=1, **more):
        result = self.do("createVolume", name=name, size=size, zoneid=self.endpoint["zone_id"],
                         diskofferingid=self.endpoint["disk_offering_id"], **more)
        return result["volume"]["id"]

    def attach(self, volume, vm=None, **more):
        return self.do("attachVolume", id=volume, virtualmachineid=vm or self.appliance, **more)["volume"]

    def detach(self, volume):
        return self.do("detachVolume", id=volume)["volume"]

    def ready_volume(self, **more):
        """A volume that has bytes: it was attached once."""
        volume = self.volume(**more)
        self.attach(volume)
        self.detach(volume)
        return volume

    def show(self, volume):
        return self.api.listVolumes(id=volume, listall="true")["volume"][0]

    def snapshot(self, volume, **more):
        return self.do("createSnapshot", volumeid=volume, **more)["snapshot"]

    def deploy(self, name, startvm="false", **more):
        parameters = {"zoneid": self.endpoint["zone_id"], "templateid": self.endpoint["template_id"],
                      "serviceofferingid": self.endpoint["fixed_service_offering_id"], "name": name, "startvm": startvm}
        if "networkids" not in more and "iptonetworklist" not in more:
            parameters["networkids"] = self.network(True)
        parameters.update(more)
        return self.do("deployVirtualMachine", **parameters)["virtualmachine"]

    def network(self, isolated):
        return next(n["id"] for n in self.endpoint["networks"] if n["isolated"] == isolated)

    def machine(self, vm):
        return self.api.listVirtualMachines(id=vm)["virtualmachine"][0]

    def link(self, volume):
        return self.state / "by-id" / ("virtio-" + volume.replace("-", "")[:20])

    def file(self, volume):
        return self.state / "volumes" / volume

    @property
    def appliance(self):
        return self.endpoint["appliance_vm_id"]

    @property
    def zone(self):
        return self.endpoint["zone_id"]


def wait_for(condition, limit=LIMIT):
    """Polls until the condition gives something; no timing is asserted, the limit only ends a hang."""
    deadline = time.monotonic() + limit
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)


def refused(code, action, *arguments, **parameters):
    """Asserts that a command is refused before it becomes a job; returns the error text."""
    with pytest.raises(CloudStackApiException) as caught:
        action(*arguments, **parameters)
    assert caught.value.error["errorcode"] == code, caught.value.error
    assert caught.value.response.status_code == code
    return caught.value.error["errortext"]


def failed(code, action, *arguments, **parameters):
    """Asserts that a job fails; returns the error text."""
    with pytest.raises(Failure) as caught:
        action(*arguments, **parameters)
    assert caught.value.code == code, caught.value.job
    return caught.value.text
