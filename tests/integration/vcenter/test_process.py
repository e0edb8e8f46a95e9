"""The process itself: a state directory belongs to one, nothing survives it, a crash is cleaned up."""

import glob
import os
import subprocess

from labvcenter import PROGRAM, ROOT, Lab, eventually


def children(lab):
    """Command lines of living processes that work in the state directory, without the simulator itself."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                line = file.read().replace(b"\0", b" ").decode()
        except OSError:
            continue  # ended meanwhile
        if lab.state_dir in line and "lab-vcenter" not in line.split(" ")[0]:
            found.append(line)
    return found


def start_again(lab, *arguments):
    return subprocess.run([PROGRAM, "--state", os.path.join(lab.state_dir, "vc"), "--no-guests", "--inventory",
                           os.path.join(ROOT, "lab", "vcenter", "inventory.json"), *arguments],
                          capture_output=True, text=True, timeout=30, check=False)


def test_nothing_survives_sigterm():
    lab = Lab("--no-guests")
    try:
        assert len(children(lab)) == 4
        second = start_again(lab)
        assert second.returncode == 1 and "another lab-vcenter uses" in second.stderr
        endpoint = os.path.join(lab.state_dir, "vc", "endpoint.json")
        assert os.stat(endpoint).st_mode & 0o077 == 0 and os.stat(lab.endpoint["password_file"]).st_mode & 0o077 == 0
        assert lab.password not in lab.log()
    finally:
        assert lab.stop() == 0
    assert children(lab) == []


def test_nothing_survives_a_kill():
    lab = Lab("--no-guests")
    try:
        lab.process.kill()
        lab.process.wait()
        eventually(lambda: children(lab) == [])
    finally:
        lab.stop()


def test_bad_command_lines_are_explained(tmp_path):
    run = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 2 and "-state" in run.stderr
    broken = tmp_path / "inventory.json"
    broken.write_text('{"machines": [{"name": "m", "colour": 1}]}')
    run = subprocess.run([PROGRAM, "--state", str(tmp_path / "s"), "--inventory", str(broken)],
                         capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 1 and "colour" in run.stderr
    deep = tmp_path / ("d" * 120)
    run = subprocess.run([PROGRAM, "--state", str(deep), "--no-guests", "--inventory",
                          os.path.join(ROOT, "lab", "vcenter", "inventory.json")],
                         capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 1 and "too long for unix sockets" in run.stderr
