"""Processes of the benchmark: started together, measured, and gone when the benchmark ends, however it ends.

Every process dies with this one (parent-death signal), so that even a killed benchmark leaves nothing behind.
"""

import ctypes
import dataclasses
import os
import pathlib
import select
import signal
import subprocess
import time

_LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
READY_LIMIT_S = 20
STOP_LIMIT_S = 10
PEAK_INTERVAL_S = 0.02  # the kernel keeps the peak, but not beyond the end; rusage begins with the parent's size


class Failed(Exception):
    """A contestant or a server did not do its work."""


@dataclasses.dataclass
class Usage:
    """What one process took."""

    cpu_s: float = 0.0
    peak_kib: int = 0


def _child_setup(network_namespace):
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if network_namespace is not None and _LIBC.setns(network_namespace, CLONE_NEWNET) != 0:
        os._exit(97)


def peak_kib(pid):
    """The largest resident size of a living process so far."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


class Process:
    """One child; its output goes to a file."""

    def __init__(self, command, folder, site=None, environment=None, stdin=None):
        self.command = [str(word) for word in command]
        self.log = pathlib.Path(folder) / f"{time.monotonic_ns()}-{pathlib.Path(self.command[0]).name}.log"
        self.usage = Usage()
        network = site.network_namespace if site else None
        with self.log.open("wb") as output:
            self.popen = subprocess.Popen(
                self.command,
                stdin=stdin if stdin is not None else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                preexec_fn=lambda: _child_setup(network),
            )

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def wait(self, limit_s):
        """Waits for the end; returns the exit code and keeps what the process took."""
        deadline = time.monotonic() + limit_s
        descriptor = os.pidfd_open(self.pid)
        try:
            while not select.select([descriptor], [], [], PEAK_INTERVAL_S)[0]:
                self.usage.peak_kib = peak_kib(self.pid) or self.usage.peak_kib
                if time.monotonic() > deadline:
                    raise Failed(f"{self.command[0]} did not end within {limit_s:.0f} s")
        finally:
            os.close(descriptor)
        _, status, rusage = os.wait4(self.pid, 0)
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        self.usage.cpu_s = rusage.ru_utime + rusage.ru_stime
        return self.popen.returncode

    def stop(self, signal_number=signal.SIGTERM):
        """Ends it, first politely. Safe to repeat."""
        if self.popen.returncode is not None:
            return
        self.usage.peak_kib = peak_kib(self.pid) or self.usage.peak_kib
        for number in (signal_number, signal.SIGKILL):
            try:
                os.kill(self.pid, number)  # not popen.send_signal, which would collect the exit code itself
                self.wait(STOP_LIMIT_S)
                return
            except Failed:
                continue

    def wait_for(self, condition, what):
        """Waits until a server works, that is until `condition()` is true."""
        deadline = time.monotonic() + READY_LIMIT_S
        while not condition():
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                raise Failed(f"{self.command[0]} ended before {what}:\n{self.output()[-2000:]}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.command[0]}: no {what} within {READY_LIMIT_S} s:\n{self.output()[-2000:]}")
            time.sleep(0.005)


@dataclasses.dataclass
class Sample:
    """One run of one contestant: its client and all servers that took part."""

    wall_s: float
    cpu_s: float
    client_kib: int
    server_kib: int
    output: str = ""


class Stage:
    """The servers of one run. They end with the stage; their processor time counts."""

    def __init__(self, folder):
        self.folder = folder
        self.servers = []
        self.bystanders = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in reversed(self.servers + self.bystanders):
            server.stop()

    def serve(self, command, counts=True, **options):
        """Starts a server. `counts`: it belongs to the contestant; a network simulator does not."""
        server = Process(command, self.folder, **options)
        (self.servers if counts else self.bystanders).append(server)
        return server

    def run(self, clients, limit_s=900, site=None, environment=None):
        """Runs one client, or several at once, to their end; then stops the servers."""
        several = clients if clients and isinstance(clients[0], (list, tuple)) else [clients]
        start = time.perf_counter()
        running = []
        try:
            running = [Process(client, self.folder, site=site, environment=environment) for client in several]
            codes = [process.wait(limit_s) for process in running]
            wall = time.perf_counter() - start
        finally:
            for process in running:
                process.stop(signal.SIGKILL)
        for process, code in zip(running, codes):
            if code != 0:
                raise Failed(f"{' '.join(process.command)} ended with {code}:\n{process.output()[-3000:]}")
        for server in reversed(self.servers):
            server.stop()
        return Sample(
            wall_s=wall,
            cpu_s=sum(p.usage.cpu_s for p in running + self.servers),
            client_kib=sum(p.usage.peak_kib for p in running),
            server_kib=sum(p.usage.peak_kib for p in self.servers),
            output="".join(p.output() for p in running),
        )


def command_output(command, **options):
    """Output of a short command that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
