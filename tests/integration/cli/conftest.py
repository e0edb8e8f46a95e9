import os
import pty
import select
import subprocess
import time

import pytest

from fakeoma import TOKEN, FakeOma

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PROGRAM = os.path.join(os.environ.get("MK_BUILD_DIR", os.path.join(ROOT, "build", "dev")), "bin", "migratekit")
LIMIT = 30


class Terminal:
    """The program under a pseudo-terminal; `screen` is everything that it wrote there."""

    def __init__(self, arguments, environment):
        self.screen = ""
        pid, self.fd = pty.fork()
        if pid == 0:
            os.execve(PROGRAM, [PROGRAM, *arguments], environment)
        self.pid = pid

    def wait_for(self, text):
        deadline = time.monotonic() + LIMIT
        while text not in self.screen:
            assert time.monotonic() < deadline, f"{text!r} was never written: {self.screen!r}"
            assert self.read(), f"the program ended without {text!r}: {self.screen!r}"

    def read(self):
        """False at the end."""
        ready, _, _ = select.select([self.fd], [], [], LIMIT)
        assert ready, f"the program is silent: {self.screen!r}"
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.screen += data.decode()
        return bool(data)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class Cli:
    def __init__(self, oma, folder):
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "MIGRATEKIT_URL": oma.url, "MIGRATEKIT_TOKEN": TOKEN,
                            "TERM": "xterm"}

    def __call__(self, *arguments, input=None, **environment):
        return subprocess.run([PROGRAM, *arguments], env={**self.environment, **environment}, input=input, text=True,
                              stdin=subprocess.DEVNULL if input is None else None, capture_output=True, timeout=LIMIT)

    def start(self, *arguments):
        return subprocess.Popen([PROGRAM, *arguments], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def terminal(self, *arguments, **environment):
        return Terminal(arguments, {**self.environment, **environment})


def pytest_configure(config):
    if not os.path.exists(PROGRAM):
        raise pytest.UsageError(f"{PROGRAM} is missing: ninja -C build/dev migratekit, or set MK_BUILD_DIR")


@pytest.fixture
def oma():
    fake = FakeOma()
    yield fake
    fake.stop()


@pytest.fixture
def cli(oma, tmp_path):
    return Cli(oma, tmp_path)
