"""The story of the product, step by step, with real bytes: told by scripts/demo, asserted by tests/e2e.

Every step checks what it claims with the lab's oracle, which shares no code with the product, and raises StoryError
when something is not as it must be.
"""

import json
import time

from witness import StoryError, Witness, require

__all__ = ["PROBE", "Story", "StoryError", "mib"]

PROBE = "http:8080/"


class Story(Witness):
    MACHINE = "beacon"

    def __init__(self, site, tell=lambda text: None):
        super().__init__(site, self.MACHINE)
        self.tell = tell
        self.digests = []
        self.orphans = None
        self.baseline = None
        self.links = {}  # disk -> its persistent device name, before the first failover
        self.percents = []  # of the rollback, as they were shown

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
        """BB13, and after a rollback BB11."""
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

    def compare_with_frozen(self, point):
        super().compare_with_frozen(point)
        self.digests += [{"job": point["job_id"], "disk": d["disk_id"], "digest": d["digest"]} for d in point["disks"]]

    def test_failover(self):
        """BB1, BB5, BB9."""
        point = self.recovery_points()[0]
        self.links = {v["disk_id"]: v["symlink_path"] for v in self.volumes()}
        self.site.cli("failover", "test", self.MACHINE, "--probe", PROBE, "--wait")
        machine = self.machine()
        require(machine["status"] == "failed_over_test", f"unexpected status {machine['status']}")
        marker = self.healthy_marker(machine["failover"])
        expected = self.expected_sum(point)
        require(marker["sum"] == expected, f"the guest reports {marker['sum']}, the recovery point holds {expected}")
        self.snapshots_are_recorded()
        self.machine_is_as_the_source(machine["failover"], marker)
        self.failover_is_on_record(machine["failover"])
        self.tell(f"booted in the cloud, isolated: {marker.group(0)}")
        return {}

    def healthy_marker(self, failover):
        marker = self.booted_marker(failover)
        require(marker["state"] == "ok", f"the guest found its data damaged: {marker.group(0)}")
        return marker

    def roll_back(self):
        """BB2, BB4, BB6, BB12, BB15."""
        point = self.recovery_points()[0]
        self.show_cleanup_plan()
        self.spoil_the_copy(point)
        job = self.site.cli_json("failover", "finish", self.MACHINE, "--verdict", "worked")["job_id"]
        self.percents = self.follow(job)
        machine = self.machine()
        require(machine["status"] == "ready_for_failover", f"unexpected status {machine['status']}: {machine['status_reason']}")
        self.compare_with_frozen(point)
        self.volumes_are_at_the_appliance(self.links)
        self.nothing_of_a_test_is_left()
        self.tell("both disks, destroyed in the test, equal the recovery point again; snapshots and test machine are gone")
        return {}

    def show_cleanup_plan(self):
        actions = [a for step in self.site.cli_json("cleanup", "plan", self.MACHINE)["steps"] for a in step["actions"]]
        require(any(a["is_removal"] for a in actions), f"the plan removes nothing: {actions}")
        self.tell(f"what taking it back means now: {len(actions)} actions, the first: {actions[0]['text']}")

    def show_forecast(self):
        checked = self.site.cli_json("failover", "check", self.MACHINE, "--live")
        forecast = checked["forecast"]
        require(checked["passed"] and 0 < forecast["likely_s"] <= forecast["at_most_s"], f"it cannot fail over: {checked}")
        self.tell(f"checked: it can; without service for about {forecast['likely_s']} s, at most {forecast['at_most_s']} s")

    def live_failover(self):
        """BB7, BB14."""
        self.wait_for_writes(1)
        self.show_forecast()
        self.site.cli("failover", "live", self.MACHINE, "--confirm", self.MACHINE, "--probe", PROBE, "--wait")
        machine = self.machine()
        require(machine["status"] == "failed_over_live", f"unexpected status {machine['status']}")
        marker = self.healthy_marker(machine["failover"])
        sequence, checksum = self.source_has_written()
        require((int(marker["seq"]), marker["sum"]) == (sequence, checksum),
                f"the machine booted with {marker.group(0)}, the source ended at seq={sequence} sum={checksum}")
        self.machine_is_as_the_source(machine["failover"], marker)
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
