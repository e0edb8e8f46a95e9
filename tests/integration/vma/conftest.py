import pathlib
import shutil

import pytest

from vmalab import ENGINE, LAB_VCENTER, VMA_API, TargetDisk, Vcenter, Vma, temporary_folder


def pytest_collection_modifyitems(items):
    missing = [str(program) for program in (VMA_API, ENGINE, LAB_VCENTER) if not program.exists()]
    if not shutil.which("nbdkit"):
        missing.append("nbdkit")
    if missing:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="not there: " + ", ".join(missing)))


@pytest.fixture(scope="session")
def shared_vcenter():
    with temporary_folder() as folder:
        vcenter = Vcenter(pathlib.Path(folder))
        yield vcenter
        assert vcenter.process.stop() == 0


@pytest.fixture
def vcenter(shared_vcenter):
    """The shared vCenter; its faults are taken back afterwards, and nothing of ours may be left there."""
    yield shared_vcenter
    shared_vcenter.control("DELETE", "/faults")
    assert shared_vcenter.snapshots("off-one") == []


@pytest.fixture
def folder():
    with temporary_folder() as name:
        yield pathlib.Path(name)


@pytest.fixture
def vma(folder):
    service = Vma(folder).start()
    yield service
    service.stop()
    log = service.log()
    assert service.process.popen.returncode in (0, -9), log


class Replica:
    """The target disks of off-one, and what the last pass said of them."""

    def __init__(self, vcenter, vma, folder, *filters):
        self.vcenter, self.vma = vcenter, vma
        self.machine = vcenter.machine("off-one")
        self.disks = {d["key"]: TargetDisk(folder, f"disk-{d['key']}", len(vcenter.content("off-one", d["key"])), *filters)
                      for d in self.machine["disks"]}
        self.base = {}
        self.has_writes = False

    def order(self, job, **changes):
        disks = []
        for key, target in self.disks.items():
            disk = {"disk_id": f"disk-{key}", "target_uri": target.uri, "target_is_zero": key not in self.base,
                    "target_has_writes": self.has_writes}
            if key in self.base:
                base = self.base[key]
                disk.update(base_change_id=base["change_id"], base_backing_uuid=base["backing_uuid"],
                            base_capacity=base["capacity"])
            disks.append(disk)
        return {"job_id": job, "moref": self.machine["moref"], "instance_uuid": self.machine["instance_uuid"],
                "machine_name": "off-one", "disks": disks, **self.vcenter.access(), **changes}

    def start(self, job, **changes):
        status, answer = self.vma.call("POST", "/api/v1/replicate", self.order(job, **changes))
        assert status == 202, answer
        self.has_writes = True
        return job

    def sync(self, job, **changes):
        """A whole pass; the next one is an increment on it."""
        end = self.vma.wait_end(self.start(job, **changes))
        assert end["state"] == "completed", end
        for disk in end["result"]["disks"]:
            self.base[int(disk["disk_id"].removeprefix("disk-"))] = disk
        # As after a commit: the next session is another one, and nothing is left to go on from.
        self.has_writes = False
        self.vma.call("DELETE", f"/api/v1/checkpoints/{self.machine['instance_uuid']}")
        return end

    def assert_equal(self):
        for key, target in self.disks.items():
            assert target.content() == self.vcenter.content("off-one", key), f"disk-{key} differs"

    def serve(self, *arguments):
        for target in self.disks.values():
            target.serve(*arguments)

    def stop(self):
        for target in self.disks.values():
            target.stop()


@pytest.fixture
def replica(vcenter, vma, folder):
    made = Replica(vcenter, vma, folder)
    yield made
    made.stop()
