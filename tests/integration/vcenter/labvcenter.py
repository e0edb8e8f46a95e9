"""A running lab-vcenter for tests: start and stop, API connections by pyvmomi, the control channel, raw HTTP."""

import base64
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

from pyVim import connect
from pyVmomi import vim

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PROGRAM = os.environ.get("LAB_VCENTER", os.path.join(ROOT, "build", "lab", "lab-vcenter"))
GRAIN = 64 << 10
START_LIMIT = 30  # seconds
TASK_LIMIT = 30


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("lab", timeout=TASK_LIMIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TASK_LIMIT)
        self.sock.connect(self.path)


class Lab:
    """One lab-vcenter process with a state directory of its own."""

    def __init__(self, *arguments):
        # Short on purpose: the paths of unix sockets are limited to 107 bytes.
        self.state_dir = tempfile.mkdtemp(prefix="lvc-")
        self.log_path = os.path.join(self.state_dir, "log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--state", os.path.join(self.state_dir, "vc"),
                 "--inventory", os.path.join(ROOT, "lab", "vcenter", "inventory.json"), *arguments],
                stdout=log, stderr=log)
        try:
            self.endpoint = self._await_endpoint()
        except BaseException:
            self.stop()
            raise
        address = urllib.parse.urlparse(self.endpoint["url"])
        self.host, self.port = address.hostname, address.port
        with open(self.endpoint["password_file"], encoding="utf-8") as file:
            self.password = file.read().rstrip("\n")

    def _await_endpoint(self):
        path = os.path.join(self.state_dir, "vc", "endpoint.json")
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    return json.load(file)
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError("lab-vcenter did not start:\n" + self.log())

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.state_dir, ignore_errors=True)
        return self.process.returncode

    # --- control channel

    def control(self, method, path, body=None, expect=200):
        connection = UnixConnection(self.endpoint["control_socket"])
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        assert response.status == expect, answer
        return answer

    def fault(self, name, **parameters):
        return self.control("POST", "/fault", dict(parameters, name=name))

    def write(self, machine, disk, offset, data):
        answer = self.control("POST", "/op", {"op": "write", "machine": machine, "disk": disk, "offset": offset,
                                              "bytes_base64": base64.b64encode(data).decode()})
        assert answer["sha256"] == hashlib.sha256(data).hexdigest()

    def state(self, machine):
        return next(m for m in self.control("GET", "/state")["machines"] if m["name"] == machine)

    # --- API

    def context(self):
        return ssl.create_default_context(cafile=self.endpoint["certificate_file"])

    def connect(self, password=None, user=None):
        return connect.SmartConnect(host=self.host, port=self.port, user=user or self.endpoint["username"],
                                    pwd=self.password if password is None else password, sslContext=self.context())

    def raw(self):
        return http.client.HTTPSConnection(self.host, self.port, context=self.context(), timeout=TASK_LIMIT)

    def soap(self, body, cookie=None, action="urn:vim25/6.7"):
        """Sends one SOAP body as it is; returns status, text and the cookie that was set."""
        headers = {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": action}
        if cookie:
            headers["Cookie"] = cookie
        connection = self.raw()
        connection.request("POST", "/sdk", '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" '
                           'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Body>%s</Body></Envelope>' % body, headers)
        response = connection.getresponse()
        result = response.status, response.read().decode(), response.getheader("Set-Cookie")
        connection.close()
        return result

    def machine(self, name):
        return next(m for m in self.endpoint["machines"] if m["name"] == name)

    def download(self, machine, disk, cookie, method="GET", extra=None, url=None):
        """Requests a disk's base extent; returns the response (read) and its body."""
        if url is None:
            url = next(d for d in self.machine(machine)["disks"] if d["key"] == disk)["folder_url"]
        parts = urllib.parse.urlsplit(url)
        connection = self.raw()
        headers = dict(extra or {})
        if cookie:
            headers["Cookie"] = cookie
        connection.request(method, parts.path + "?" + parts.query, headers=headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response, data


def find_vm(si, lab, name):
    return vim.VirtualMachine(lab.machine(name)["moref"], si._stub)


def wait(task):
    """Waits for a task; returns its result or raises its fault."""
    deadline = time.monotonic() + TASK_LIMIT
    while time.monotonic() < deadline:
        info = task.info
        if info.state == vim.TaskInfo.State.success:
            return info.result
        if info.state == vim.TaskInfo.State.error:
            raise info.error
        time.sleep(0.02)
    raise AssertionError("task %s does not end" % task)


def eventually(condition, limit=TASK_LIMIT):
    """Waits until condition() holds; something else drives the change."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("condition did not come true within %s s" % limit)


def snapshot(vm, name="test", quiesce=False):
    return wait(vm.CreateSnapshot_Task(name, "by a test", False, quiesce))


def disks(owner):
    """The disks of a VM or snapshot by key."""
    return {d.key: d for d in owner.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk)}


def changed_areas(vm, snap, key, change_id):
    """The loop every client needs; returns areas and the number of calls."""
    capacity = disks(snap)[key].capacityInBytes
    areas, offset, calls = [], 0, 0
    while offset < capacity:
        answer = vm.QueryChangedDiskAreas(snap, key, offset, change_id)
        assert answer.startOffset == offset and answer.length > 0
        assert len(answer.changedArea) <= 2000
        for area in answer.changedArea:
            assert offset <= area.start and area.start + area.length <= offset + answer.length
            areas.append((area.start, area.length))
        offset += answer.length
        calls += 1
    return areas, calls


def enable_tracking(vm):
    """The activation cycle: the flag, then one snapshot made and removed."""
    wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=True)))
    wait(snapshot(vm, "activate").RemoveSnapshot_Task(False, True))
