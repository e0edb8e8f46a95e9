"""Runs the C++ program integration_vsphere against whole servers: the unmodified govmomi simulator and the lab's vCenter.

The program is looked for in $MK_BUILD_DIR (default build/dev); build it with `ninja -C <build folder> integration_vsphere`.
"""

import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
BUILD = os.path.abspath(os.environ.get("MK_BUILD_DIR", os.path.join(ROOT, "build", "dev")))
PROGRAM = os.path.join(BUILD, "tests", "integration_vsphere")
SIMULATOR = "/usr/share/gocode/src/github.com/vmware/govmomi/simulator"
PROGRAM_LIMIT = 300  # seconds for all tests against one server

sys.path.insert(0, os.path.join(ROOT, "tests", "integration", "vcenter"))

if not os.path.exists(PROGRAM):
    pytest.skip(f"{PROGRAM} is not built", allow_module_level=True)


def listed_tests(kind):
    """All tests of the program whose suite is for this kind of server, as full names."""
    out = subprocess.run([PROGRAM, "--gtest_list_tests"], check=True, capture_output=True, text=True, timeout=30).stdout
    suite, names = "", []
    for line in out.splitlines():
        if line and not line.startswith(" "):
            suite = line.strip()
        elif line.startswith("  ") and suite.lower().startswith(kind):
            names.append(suite + line.strip())
    return names


class Server:
    """Environment of a server under test, and the results of the program, which runs once against it."""

    def __init__(self, kind, url, user, password_file, sha256, control=""):
        self.environment = dict(
            os.environ, MK_TEST_VCENTER_KIND=kind, MK_TEST_VCENTER_URL=url, MK_TEST_VCENTER_USER=user,
            MK_TEST_VCENTER_PASSWORD_FILE=password_file, MK_TEST_VCENTER_SHA256=sha256, MK_TEST_VCENTER_CONTROL=control)

    def run(self, test):
        done = subprocess.run([PROGRAM, "--gtest_filter=" + test], env=self.environment, timeout=PROGRAM_LIMIT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        assert done.returncode == 0, done.stdout[-8000:]
        if "[  SKIPPED ]" in done.stdout:
            pytest.skip(done.stdout.split("Skipped\n")[-1].split("\n")[0] if "Skipped\n" in done.stdout else "skipped by the program")


@pytest.fixture(scope="module")
def vcsim(tmp_path_factory):
    if not os.path.isdir(SIMULATOR):
        pytest.skip("Debian's golang-github-vmware-govmomi-dev is not installed")
    folder = tmp_path_factory.mktemp("vcsim")
    program, password = folder / "vcsim", folder / "password"
    password.write_text("p<ss & \"word'")
    environment = dict(os.environ, GO111MODULE="off", GOTOOLCHAIN="local", GOFLAGS="", CGO_ENABLED="0", GOPATH="/usr/share/gocode")
    subprocess.run(["/usr/bin/go", "build", "-o", str(program), "."], cwd=os.path.join(HERE, "vcsim"), env=environment, check=True)
    process = subprocess.Popen([str(program), "--user", "tester", "--password-file", str(password)], stdout=subprocess.PIPE, text=True)
    try:
        endpoint = json.loads(process.stdout.readline())
        yield Server("vcsim", endpoint["url"], "tester", str(password), endpoint["certificate_sha256"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture(scope="module")
def lab():
    from labvcenter import PROGRAM as LAB_PROGRAM, Lab
    if not os.path.exists(LAB_PROGRAM):
        subprocess.run([os.path.join(ROOT, "lab", "build"), "vcenter"], check=True)
    running = Lab("--no-guests")
    try:
        with open(running.endpoint["certificate_file"], encoding="ascii") as file:
            der = ssl.PEM_cert_to_DER_cert(file.read())
        yield Server("lab", running.endpoint["url"], running.endpoint["username"], running.endpoint["password_file"],
                     hashlib.sha256(der).hexdigest(), running.endpoint["control_socket"])
    finally:
        running.stop()


@pytest.mark.parametrize("test", listed_tests("vcsim"))
def test_vcsim(vcsim, test):
    vcsim.run(test)


@pytest.mark.parametrize("test", listed_tests("lab"))
def test_lab(lab, test):
    lab.run(test)
