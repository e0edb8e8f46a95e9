"""The reconciler in a whole installation: what is left behind by hand at both sites is found with the right action, goes when it is applied,
and nothing of others is touched."""

import json
import subprocess

import pytest
from cs import CloudStack

from sites import end_site, make_site

VM = "off-one"
TAG = "migratekit.context"
MARK = "Temporary snapshot for replication. [migratekit job={} appliance=vma-lab]"


class Cloud:
    """CloudStack as its administrator sees it, with a client that nobody here wrote."""

    def __init__(self, site):
        self.lab = site.lab["cloudstack"]
        with open(self.lab["secret_key_file"], encoding="ascii") as file:
            self.api = CloudStack(self.lab["url"], self.lab["api_key"], file.read().strip(), timeout=30, poll_interval=0.1)

    def volume(self, name, context=None):
        made = self.api.createVolume(name=name, size=1, zoneid=self.lab["zone_id"], diskofferingid=self.lab["disk_offering_id"], fetch_result=True)
        return self.tagged("Volume", made["volume"]["id"], context)

    def machine(self, name, context=None):
        network = next(n["id"] for n in self.lab["networks"] if n["isolated"])
        made = self.api.deployVirtualMachine(name=name, startvm="false", zoneid=self.lab["zone_id"], templateid=self.lab["template_id"],
                                             serviceofferingid=self.lab["service_offering_id"], networkids=network, fetch_result=True,
                                             details=[{"cpuNumber": "1", "memory": "512", "cpuSpeed": "1000"}])
        return self.tagged("UserVm", made["virtualmachine"]["id"], context)

    def tagged(self, kind, object_id, context):
        if context:
            self.api.createTags(resourcetype=kind, resourceids=object_id, fetch_result=True, tags=[{"key": TAG, "value": context}])
        return object_id

    def delete_volume(self, volume):
        self.api.detachVolume(id=volume, fetch_result=True)
        self.api.deleteVolume(id=volume)

    def volumes(self):
        return {v["id"] for v in self.api.listVolumes(listall="true").get("volume", [])}

    def machines(self):
        return {m["id"] for m in self.api.listVirtualMachines(listall="true").get("virtualmachine", [])}


@pytest.fixture(scope="module")
def site(request):
    site = make_site(guests=False)
    before = request.session.testsfailed
    try:
        site.up()
        site.connect()
        site.cli("vm", "add", VM)
        site.cli("sync", "start", VM, "--wait")
        yield site
    finally:
        end_site(site, request.session.testsfailed > before)


def take_snapshot(site, machine, name, description):
    """In vCenter, by somebody."""
    body = json.dumps({"op": "snapshot", "machine": machine, "name": name, "description": description})
    subprocess.run(["curl", "-sS", "--fail", "--max-time", "60", "--unix-socket", str(site.lab_state / "vcenter/control.sock"), "-d", body,
                    "http://lab/op"], check=True, capture_output=True)


def snapshots(site):
    return {s["name"] for m in site.control("vcenter")["machines"] for s in m.get("snapshots") or []}


def findings(site):
    """After two runs: what one run alone saw is not shown."""
    site.run_cli("volume", "reconcile", "--run")
    site.run_cli("volume", "reconcile", "--run")
    report = site.api("GET", "/api/v1/reconcile")[1]
    assert report["unreachable"] == [] and report["last_run"]
    return {f["object_name"]: f for f in report["findings"]}


def flags(site):
    return site.api("GET", f"/api/v1/vms/{VM}")[1]["flags"]


def test_left_overs_are_found_and_go_and_nothing_of_others_does(site):
    assert findings(site) == {}
    assert site.run_cli("volume", "reconcile").returncode == 0
    assert "leftovers" not in flags(site)

    cloud = Cloud(site)
    shown = site.cli_json("vm", "show", VM)
    context, job = shown["context_id"], site.api("GET", f"/api/v1/vms/{VM}/recovery-points")[1]["recovery_points"][0]["job_id"]
    replicas = {d["disk_id"]: d["volume_id"] for d in shown["disks"]}
    take_snapshot(site, VM, f"migratekit-{job}", MARK.format(job))
    take_snapshot(site, "beacon", "migratekit-by-hand", "looks like ours")
    take_snapshot(site, "beacon", "nightly", "made by a backup")
    ours, theirs = cloud.machine("web-test-1", context), cloud.machine("somebody")
    lost, foreign = cloud.volume("lost", context), cloud.volume("their-disk")
    cloud.delete_volume(replicas["disk-2001"])
    volume_names = {v["volume_id"]: v["name"] for v in site.api("GET", f"/api/v1/vms/{VM}/volumes")[1]["volumes"]}
    gone = volume_names[replicas["disk-2001"]]

    found = findings(site)
    assert {name: (f["kind"], f["object_kind"], f["action"], f["needs_confirmation"]) for name, f in found.items()} == {
        f"migratekit-{job}": ("orphan", "source_snapshot", "remove", False),
        "migratekit-by-hand": ("orphan", "source_snapshot", "review", False),
        "web-test-1": ("orphan", "machine", "remove", False),
        "lost": ("orphan", "volume", "review", False),
        gone: ("missing", "volume", "forget", True)}
    assert found["web-test-1"]["object_id"] == ours and found["lost"]["object_id"] == lost
    assert site.run_cli("volume", "reconcile").returncode == 7
    assert "leftovers" in flags(site)

    applied = site.run_cli("volume", "reconcile", "--apply")
    assert applied.returncode == 7, applied.stdout + applied.stderr
    assert set(findings(site)) == {"migratekit-by-hand", "lost", gone}
    assert ours not in cloud.machines() and f"migratekit-{job}" not in snapshots(site)

    # What may hold data goes by its id only.
    assert site.run_cli("volume", "reconcile", "--remove", replicas["disk-2001"]).returncode == 2
    assert site.run_cli("volume", "reconcile", "--remove", replicas["disk-2001"], "--confirm", replicas["disk-2000"]).returncode == 2
    assert site.run_cli("volume", "reconcile", "--remove", lost, "--confirm", lost).returncode == 5
    site.cli("volume", "reconcile", "--remove", replicas["disk-2001"], "--confirm", replicas["disk-2001"], "--wait")
    assert site.cli_json("vm", "show", VM)["status"] == "discovered"
    site.cli("sync", "start", VM, "--full", "--wait")
    assert site.cli_json("vm", "show", VM)["status"] == "ready_for_failover"

    cloud.api.deleteVolume(id=lost)
    assert set(findings(site)) == {"migratekit-by-hand"}
    assert theirs in cloud.machines() and {foreign, replicas["disk-2000"]} <= cloud.volumes()
    assert {"migratekit-by-hand", "nightly"} <= snapshots(site)
    jobs = [j for j in site.api("GET", "/api/v1/jobs")[1]["jobs"] if j["operation"] == "reconcile"]
    assert len(jobs) == 3 and all(j["type"] == "cleanup" and j["status"] == "completed" for j in jobs)
    entries = site.api("GET", "/api/v1/ledger")[1]["entries"]
    assert {e["object_id"] for e in entries} == {v["volume_id"] for v in site.api("GET", f"/api/v1/vms/{VM}/volumes")[1]["volumes"]}
