"""Two sites with a line between them, and loop devices: nameless, so that nothing of them outlives the benchmark.

A site is the network namespace of a process that only waits. The namespace, its interfaces and its queues vanish with
that process, which dies with the benchmark.
"""

import os
import subprocess

from processes import Process, command_output

SOURCE_ADDRESS = "10.77.0.1"  # source side
TARGET_ADDRESS = "10.77.0.2"  # target side


class Site:
    """A network of its own with a loopback interface."""

    def __init__(self, folder):
        self.holder = Process(["unshare", "--net", "sleep", "infinity"], folder)
        own = os.stat("/proc/self/ns/net").st_ino
        path = f"/proc/{self.holder.pid}/ns/net"
        self.holder.wait_for(lambda: os.stat(path).st_ino != own, "network namespace")
        self.network_namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command):
        return command_output(["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", *command])

    def close(self):
        os.close(self.network_namespace)
        self.holder.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Line:
    """Two sites joined by a line of a given rate in both directions. The delay is the proxy's (mk_bench_proxy)."""

    def __init__(self, folder, rate, burst):
        self.source = Site(folder)
        self.target = Site(folder)
        command_output(["ip", "link", "add", "mkb-source", "netns", self.source.holder.pid, "type", "veth",
                        "peer", "name", "mkb-target", "netns", self.target.holder.pid])
        for site, name, address in ((self.source, "mkb-source", SOURCE_ADDRESS),
                                    (self.target, "mkb-target", TARGET_ADDRESS)):
            site.run("ip", "address", "add", f"{address}/24", "dev", name)
            site.run("ip", "link", "set", name, "up")
            site.run("tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", rate, "burst", burst, "latency", "50ms")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.source.close()
        self.target.close()


class LoopDevice:
    """A loop device on a file. The kernel removes it when the last descriptor is closed (autoclear)."""

    def __init__(self, file):
        self.path = command_output(["losetup", "--find", "--show", file]).strip()
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        subprocess.run(["losetup", "--detach", self.path], check=True)

    def close(self):
        os.close(self.descriptor)
