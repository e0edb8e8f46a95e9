"""The story of the product, step by step, with real bytes: told by scripts/demo, asserted by tests/e2e.

Every step checks what it claims with the lab's oracle, which shares no code with the product, and raises StoryError
when something is not as it must be.
"""

import json
import re
import time

from installation import wait_for


class StoryError(Exception):
    """Something is not what it must be."""


def require(condition, text):
    if not condition:
        raise StoryError(text)


MARKER = re.compile(r"BEACON host=\S+ .*?seq=(?P<seq>\d+).*?sum=(?P<sum>[0-9a-f]+).*?last=(?P<last>[0-9a-f]+).*?state=(?P<state>\w+)")
LAST_WRITE = re.compile(r"BEACON-(?:WRITE|STOP) seq=(?P<seq>\d+).*?sum=(?P<sum>[0-9a-f]+)")
PROBE = "http:8080/"


class Story:
    MACHINE = "beacon"

    def __init__(self, site, tell=lambda text: None):
        self.site = site
        self.tell = tell
        self.digests = []
        self.orphans = None
        self.baseline = None

    # --- reading the world ---------------------------------------------------------------------------------------

    def machine(self):
        return self.site.cli_json("vm", "show", self.MACHINE)

    def recovery_points(self):
        return self.site.api("GET", f"/api/v1/vms/{self.machine()['context_id']}/recovery-points")[1]["recovery_points"]

    def volumes(self):
        return self.site.api("GET", f"/api/v1/vms/{self.machine()['context_id']}/volumes")[1]["volumes"]

    def frozen_image(self, job_id, disk):
        return self.site.lab_state / "vcenter/archive" / self.MACHINE / f"migratekit-{job_id}" / f"{disk['disk_id'][5:]}.img"

    def source_log(self):
        with open(self.site.machine(self.MACHINE)["serial_log"], errors="replace") as log:
            return log.read()

    def source_has_written(self):
        """The newest write of the source machine."""
        found = list(LAST_WRITE.finditer(self.source_log()))
        return (int(found[-1]["seq"]), found[-1]["sum"]) if found else None

    def wait_for_writes(self, count):
        """Until the guest has written `count` more files."""
        before = self.source_has_written()
        start = before[0] if before else 0
        wait_for("the source machine to write", lambda: (self.source_has_written() or (0, ""))[0] >= start + count, 120)

    def compare_with_frozen(self, point):
        """The oracle compares every volume with what the snapshot had frozen."""
        for disk in point["disks"]:
            volume = next(v for v in self.volumes() if v["disk_id"] == disk["disk_id"])
            image = self.frozen_image(point["job_id"], disk)
            code, text = self.site.oracle("compare", image, volume["device_path"], "--allow-zero-tail")
            require(code == 0, f"{disk['disk_id']} differs from the frozen snapshot: {text}")
            self.digests.append({"job": point["job_id"], "disk": disk["disk_id"], "digest": disk["digest"]})

    def expected_sum(self, point):
        """What a guest that boots from this recovery point must report; computed without booting it."""
        data = next(d for d in point["disks"] if d["disk_id"] != self.machine()["boot_disk_id"])
        code, text = self.site.oracle("beacon-sum", "--json", self.frozen_image(point["job_id"], data))
        require(code == 0, f"the oracle cannot read the data disk: {text}")
        return json.loads(text)["sum"]

    def booted_marker(self, failover):
        marker = MARKER.search(failover["boot_evidence"] or "")
        require(failover["boot_verdict"] == "booted" and marker, f"the boot is not proven: {failover}")
        require(marker["state"] == "ok", f"the guest found its data damaged: {marker.group(0)}")
        return marker

    def no_snapshot_is_left(self):
        snapshots = [s for m in self.site.control("vcenter")["machines"] if m["name"] == self.MACHINE
                     for s in m.get("snapshots") or []]
        require(not snapshots, f"the source still has snapshots: {snapshots}")

    def figures(self, point):
        return {"bytes_changed": sum(d["bytes_changed"] for d in point["disks"]),
                "bytes_sent": sum(d["bytes_sent"] for d in point["disks"])}

    # --- the steps -----------------------------------------------------------------------------------------------

    def discover(self):
        self.site.connect()
        found = {m["name"]: m for m in self.site.cli_json("discover", "list")["machines"]}
        beacon, refused = found[self.MACHINE], found["refused"]
        require(beacon["ready"] and len(beacon["disks"]) == 2 and beacon["nics"], f"unexpected: {beacon}")
        blockers = [f for f in refused["findings"] if f["severity"] == "blocker"]
        require(not refused["ready"] and blockers, f"'refused' is not refused: {refused}")
        self.tell(f"{len(found)} machines; {self.MACHINE}: {len(beacon['disks'])} disks, {len(beacon['nics'])} network card(s)")
        for blocker in blockers:
            self.tell(f"refused: {blocker['text']}")
        return {}

    def first_sync(self):
        self.site.operate("vcenter", "archive", machine=self.MACHINE, enabled="true")
        self.save_baseline()
        self.site.cli("vm", "add", self.MACHINE)
        return self.sync(incremental=False)

    def increment(self):
        self.wait_for_writes(3)
        return self.sync(incremental=True)

    def sync(self, incremental):
        before = {d["disk_id"]: d["change_id"] for p in self.recovery_points()[:1] for d in p["disks"]}
        self.site.cli("sync", "start", self.MACHINE, "--wait")
        point = self.recovery_points()[0]
        require(point["applied"] and len(point["disks"]) == 2, f"unexpected recovery point: {point}")
        for disk in point["disks"]:
            require(disk["incremental"] == incremental, f"{disk['disk_id']}: incremental is {disk['incremental']}")
            require(disk["change_id"] and disk["change_id"] != before.get(disk["disk_id"]), "the change id did not advance")
        self.compare_with_frozen(point)
        self.no_snapshot_is_left()
        figures = self.figures(point)
        self.tell(f"both disks equal the frozen snapshot; {mib(figures['bytes_sent'])} sent for "
                  f"{mib(figures['bytes_changed'])} to handle")
        return figures

    def test_failover(self):
        point = self.recovery_points()[0]
        self.site.cli("failover", "test", self.MACHINE, "--probe", PROBE, "--wait")
        machine = self.machine()
        require(machine["status"] == "failed_over_test", f"unexpected status {machine['status']}")
        marker = self.booted_marker(machine["failover"])
        expected = self.expected_sum(point)
        require(marker["sum"] == expected, f"the guest reports {marker['sum']}, the recovery point holds {expected}")
        self.tell(f"booted in the cloud, isolated: {marker.group(0)}")
        return {}

    def roll_back(self):
        point = self.recovery_points()[0]
        self.site.cli("failover", "finish", self.MACHINE, "--verdict", "worked", "--wait")
        machine = self.machine()
        require(machine["status"] == "ready_for_failover", f"unexpected status {machine['status']}: {machine['status_reason']}")
        self.compare_with_frozen(point)
        cloud = self.site.control("cloudstack")
        require(not [s for s in cloud["snapshots"] if s.get("state") != "Destroyed"], "a volume snapshot is left")
        names = [m["name"] for m in cloud["vms"] if "-test-" in m["name"] and m.get("state") not in ("Expunging", "Expunged")]
        require(not names, f"a test machine is left: {names}")
        self.tell("volumes are back and equal the recovery point; snapshots and test machine are gone")
        return {}

    def live_failover(self):
        self.wait_for_writes(1)
        self.site.cli("failover", "live", self.MACHINE, "--confirm", self.MACHINE, "--probe", PROBE, "--wait")
        machine = self.machine()
        require(machine["status"] == "failed_over_live", f"unexpected status {machine['status']}")
        marker = self.booted_marker(machine["failover"])
        sequence, checksum = self.source_has_written()
        require((int(marker["seq"]), marker["sum"]) == (sequence, checksum),
                f"the machine booted with {marker.group(0)}, the source ended at seq={sequence} sum={checksum}")
        self.tell(f"moved: {marker.group(0)}")
        return self.figures(self.recovery_points()[0])

    def save_baseline(self):
        """What both sides held before the product made anything."""
        code, text = self.site.oracle("objects", "--state", self.site.lab_state)
        require(code == 0, text)
        self.baseline = self.site.state / "objects-before.json"
        self.baseline.write_text(text)

    def nothing_is_left(self):
        entries = self.site.api("GET", "/api/v1/ledger")[1]["entries"]
        known = [{"side": "vcenter" if e["site"] == "source" else "cloudstack", "kind": e["kind"], "id": e["object_id"]}
                 for e in entries if e["object_id"]]
        file = self.site.state / "ledger.json"
        file.write_text(json.dumps(known))
        code, text = self.site.oracle("orphans", "--state", self.site.lab_state, "--known", file, "--baseline", self.baseline)
        self.orphans = 0 if code == 0 else len(text.splitlines())
        require(code == 0, f"objects that the ledger does not know:\n{text}")
        self.tell(f"{len(known)} objects are ours, all in the ledger; nothing else was left behind")
        return {}

    STEPS = (("discover", "Discover the machines", "discover"),
             ("first-sync", "First sync while the guest writes", "first_sync"),
             ("increment-1", "First increment", "increment"),
             ("increment-2", "Second increment", "increment"),
             ("test-failover", "Test failover: boot the copy in isolation", "test_failover"),
             ("rollback", "Roll the test back", "roll_back"),
             ("increment-3", "Increment after the rollback", "increment"),
             ("live-failover", "Live failover: move the machine", "live_failover"),
             ("accounting", "Account for every object", "nothing_is_left"))

    def run_step(self, name):
        """Runs one step; returns its entry for the report."""
        method = next(m for n, _, m in self.STEPS if n == name)
        started = time.monotonic()
        entry = {"name": name, "ok": False, "seconds": 0.0, "bytes_changed": 0, "bytes_sent": 0}
        try:
            entry.update(getattr(self, method)())
            entry["ok"] = True
            return entry
        finally:
            entry["seconds"] = round(time.monotonic() - started, 1)


def mib(count):
    return f"{count / 2**20:.1f} MiB"
