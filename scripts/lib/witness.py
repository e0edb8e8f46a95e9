"""What is really there of one machine, at both sites and between them. Judged by the lab's oracle and by what the cloud
shows, which share no code with the product; whatever is not as it must be raises StoryError."""

import json
import os
import re
from pathlib import Path

from cloud_api import CloudApi
from installation import wait_for


class StoryError(Exception):
    """Something is not what it must be."""


def require(condition, text):
    if not condition:
        raise StoryError(text)


MARKER = re.compile(r"BEACON host=\S+ .*?root=(?P<root>\S*) data=(?P<data>\S*) .*?seq=(?P<seq>\d+).*?sum=(?P<sum>[0-9a-f]+)"
                    r".*?last=(?P<last>[0-9a-f]*).*?state=(?P<state>\w+)")
LAST_WRITE = re.compile(r"BEACON-(?:WRITE|STOP) seq=(?P<seq>\d+).*?sum=(?P<sum>[0-9a-f]+)")
SPOILT = 1 << 20  # bytes at the start of each disk that are destroyed in a test's machine


class Witness:
    def __init__(self, site, machine):
        self.site = site
        self.name = machine

    # --- reading the world ---------------------------------------------------------------------------------------

    def machine(self):
        return self.site.cli_json("vm", "show", self.name)

    def of_machine(self, what):
        return self.site.api("GET", f"/api/v1/vms/{self.machine()['context_id']}/{what}")[1]

    def recovery_points(self):
        return self.of_machine("recovery-points")["recovery_points"]

    def volumes(self):
        return self.of_machine("volumes")["volumes"]

    def job(self, job_id):
        return self.site.api("GET", f"/api/v1/jobs/{job_id}")[1]

    def ledger(self, kind=None):
        """What the product says it has made for the machine."""
        entries = self.site.api("GET", "/api/v1/ledger")[1]["entries"]
        mine = self.machine()["context_id"]
        return [e for e in entries if e["context_id"] == mine and kind in (None, e["kind"])]

    def cloud(self):
        return CloudApi(self.site.lab["cloudstack"])

    def volume_files(self):
        """Disk -> the file in which the cloud keeps its volume."""
        files = {v["id"]: Path(v["file"]) for v in self.site.control("cloudstack")["volumes"] if "file" in v}
        return {v["disk_id"]: files[v["volume_id"]] for v in self.volumes()}

    def frozen_image(self, job_id, disk_id):
        return self.site.lab_state / "vcenter/archive" / self.name / f"migratekit-{job_id}" / f"{disk_id[5:]}.img"

    def source_power(self):
        return next(m["power"] for m in self.site.control("vcenter")["machines"] if m["name"] == self.name)

    def source_has_written(self):
        """The newest write of the source machine."""
        with open(self.site.machine(self.name)["serial_log"], errors="replace") as log:
            found = list(LAST_WRITE.finditer(log.read()))
        return (int(found[-1]["seq"]), found[-1]["sum"]) if found else None

    def wait_for_writes(self, count):
        """Until the guest has written `count` more files."""
        before = self.source_has_written()
        start = before[0] if before else 0
        wait_for("the source machine to write", lambda: (self.source_has_written() or (0, ""))[0] >= start + count, 120)

    def follow(self, job_id, limit=300):
        """Follows a job to its end; returns the percents that were shown."""
        percents = []

        def ended():
            shown = self.job(job_id)
            percents.append(shown["percent"])
            return shown["completed_at"]

        wait_for(f"job {job_id} to end", ended, limit)
        return percents

    # --- the copy --------------------------------------------------------------------------------------------------

    def compare_with_frozen(self, point):
        """The oracle compares every volume with what the snapshot had frozen."""
        for disk in point["disks"]:
            volume = next(v for v in self.volumes() if v["disk_id"] == disk["disk_id"])
            image = self.frozen_image(point["job_id"], disk["disk_id"])
            code, text = self.site.oracle("compare", image, volume["device_path"], "--allow-zero-tail")
            require(code == 0, f"{disk['disk_id']} differs from the frozen snapshot: {text}")

    def expected_sum(self, point):
        """What a guest that boots from this recovery point must report; computed without booting it."""
        data = next(d for d in point["disks"] if d["disk_id"] != self.machine()["boot_disk_id"])
        code, text = self.site.oracle("beacon-sum", "--json", self.frozen_image(point["job_id"], data["disk_id"]))
        require(code == 0, f"the oracle cannot read the data disk: {text}")
        return json.loads(text)["sum"]

    def booted_marker(self, failover):
        marker = MARKER.search(failover["boot_evidence"] or "")
        require(failover["boot_verdict"] == "booted" and marker, f"the boot is not proven: {failover}")
        return marker

    def no_snapshot_is_left(self):
        snapshots = [s for m in self.site.control("vcenter")["machines"] if m["name"] == self.name
                     for s in m.get("snapshots") or []]
        require(not snapshots, f"the source still has snapshots: {snapshots}")

    # --- what the acceptance criteria of the inventory ask for ------------------------------------------------------

    def snapshots_are_recorded(self):
        """BB1: one complete snapshot of each volume, each with an id of its own."""
        volumes = self.volumes()
        require({(v["operation_mode"], v["snapshot_status"]) for v in volumes} == {("failover", "ready")}, f"unexpected: {volumes}")
        recorded = {e["object_id"] for e in self.ledger("volume_snapshot")}
        existing = {s["id"]: s for s in self.site.control("cloudstack")["snapshots"]
                    if s["state"] == "BackedUp" and s["volumeid"] in {v["volume_id"] for v in volumes}}
        require(len(recorded) == len(volumes) and recorded == set(existing), f"recorded {recorded}, existing {set(existing)}")
        require(len({s["volumeid"] for s in existing.values()}) == len(volumes), "a volume has no snapshot of its own")

    def machine_is_as_the_source(self, failover, marker):
        """BB5: processors, memory, firmware and the order of the disks, as the cloud shows them and as the guest sees them."""
        machine, source = self.cloud().machine(failover["destination_vm_id"]), self.machine()["source"]
        require((machine["cpunumber"], machine["memory"]) == (source["cpus"], source["memory_mb"]), f"unexpected: {machine}")
        require((machine["boottype"] == "UEFI") == (source["firmware"] in ("efi", "uefi")), f"another firmware: {machine}")
        attached, boot = self.cloud().volumes_at(machine["id"]), self.machine()["boot_disk_id"]
        wanted = sorted(self.volumes(), key=lambda v: (v["disk_id"] != boot, int(v["disk_id"][5:])))
        require([attached[n]["id"] for n in sorted(attached)] == [v["volume_id"] for v in wanted], f"other disks: {attached}")
        require(sorted(attached) == list(range(len(wanted))) and attached[0]["type"] == "ROOT", f"another order: {attached}")
        seen = [marker["root"][:8], marker["data"][:8]][:len(wanted)]
        require(seen == ["/dev/vda", "/dev/vdb"][:len(wanted)], f"the guest sees {marker.group(0)}")

    def failover_is_on_record(self, failover):
        """BB9: job, snapshots, drivers, machine, attachment and boot are on record as done."""
        job = self.job(failover["job_id"])
        done = {s["name"] for s in job["steps"] if s["status"] == "completed"}
        wanted = {"multi-volume-snapshot-creation", "virtio-injection", "destination-vm-creation", "volume-attachment",
                  "vm-startup-and-validation"}
        require(job["failover"] and wanted <= done and failover["destination_vm_id"], f"not on record: {wanted - done} of {job}")

    def spoil_the_copy(self, point):
        """BB2: the beginning of every disk is destroyed while a test's machine uses it."""
        for disk, file in self.volume_files().items():
            with open(file, "r+b") as image:
                image.write(os.urandom(SPOILT))
            code, _ = self.site.oracle("compare", self.frozen_image(point["job_id"], disk), file, "--allow-zero-tail")
            require(code == 1, f"{disk} was not destroyed")

    def volumes_are_at_the_appliance(self, links):
        """BB6, BB12: where they were, under the names they had."""
        for volume in self.volumes():
            link = volume["symlink_path"]
            require((volume["operation_mode"], volume["snapshot_status"]) == ("oma", "none"), f"unexpected: {volume}")
            require(link == links[volume["disk_id"]] and os.path.realpath(link) == os.path.realpath(volume["device_path"]),
                    f"{link} is not the name of {volume['device_path']}")

    def nothing_of_a_test_is_left(self):
        """BB4: no snapshot, no machine, no volume beside the replicas, in the cloud and in the ledger."""
        mine = {v["volume_id"] for v in self.volumes()}
        cloud = self.site.control("cloudstack")
        snapshots = [s for s in cloud["snapshots"] if s["volumeid"] in mine and s["state"] != "Destroyed"]
        machines = [m["name"] for m in cloud["vms"] if m["name"].startswith(f"{self.name}-test-") and m["state"] != "Expunging"]
        require(not snapshots and not machines, f"left of the test: {snapshots} {machines}")
        entries = self.ledger()
        require({e["object_id"] for e in entries} == mine, f"the ledger still has {entries}")
