"""The tools end with the service that started them, whatever becomes of it, and leave nothing."""

import json
import os
import pathlib
import re
import subprocess
import time

import pytest

from guestlab import LIMIT_S, TOOL, ask, command_of, end, marked_processes, order, runs_left

PATIENCE_S = 60


def wait_for(what, condition, limit=LIMIT_S):
    deadline = time.monotonic() + limit
    while not (result := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {limit} s"
        time.sleep(0.1)
    return result


def sockets_of(work):
    """Where the run's QEMU has its sockets: outside of the run's folder, when root runs it."""
    return {path for pid in marked_processes(work) for path in re.findall(r"/tmp/libguestfs\w{6}(?=/guestfsd)", command_of(pid))}


def noted_sockets(work):
    return {line for note in work.glob("migratekit-guest-*/sockets") for line in note.read_text().splitlines()}


@pytest.mark.parametrize("action", ["inspect", "convert"])
def test_death_of_the_service_ends_everything(windows, virtio_win, virt_tools, work, action):
    tools = {"virtio_win": virtio_win, "virt_tools": virt_tools}
    service = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    try:
        service.stdin.write(json.dumps(order(action, [windows], work, **tools)))
        service.stdin.close()
        sockets = wait_for("the appliance", lambda: sockets_of(work)) if os.geteuid() == 0 else set()
        wait_for("the note of its sockets", lambda: noted_sockets(work) >= sockets)
    finally:
        end(service)
    wait_for("the end of all processes", lambda: not marked_processes(work), PATIENCE_S)
    assert len(runs_left(work)) == 1
    assert ask("sweep", [], work) == {"swept": 1}
    assert runs_left(work) == []
    assert not [path for path in sockets if pathlib.Path(path).exists()]
