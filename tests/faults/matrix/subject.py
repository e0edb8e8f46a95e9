"""The machine that is failed over, and what must hold whatever happened to it."""

import contextlib
import http.client
import json
import os
import urllib.error

from cloud_api import CloudApi
from guest_tools import GuestTools
from installation import ROOT, SiteError, wait_for
from sites import end_site, make_site

from matrix.kinds import CLEANUP, PLACES

RUNNING = ("failing_over_test", "failing_over_live", "rolling_back")
FINAL = ("completed", "warning", "failed", "cancelled")
WELL = ("completed", "warning")
CONSISTENT_WITHIN_S = 60
JOB_LIMIT_S = 420  # the longest wait of the product for an absence is five minutes
# The lab's pace: what real hosts need seconds for is not what is tested here.
PACE = {"lab.job.step.ms": 5, "lab.stop.wait.ms": 200, "lab.power.sync.ms": 50, "wait.detach.device": 500, "lab.guest.memory.max": 32}
AWAY = (OSError, http.client.HTTPException, urllib.error.URLError, ValueError)  # what a call meets while a service is killed


class Broken(Exception):
    """Something is not as it must be."""


def require(condition, text):
    if not condition:
        raise Broken(text)


def make_site_of_pairs():
    """A site without operating systems, with stand-ins for the guest tools; its vCenter has five small machines."""
    site = make_site(guests=False, inventory=ROOT / "tests/faults/inventory.json")
    try:
        site.state.mkdir(parents=True, exist_ok=True)
        site.tools = site.state / "tools"
        tools = GuestTools(site.tools)
        site.up()
        for setting, value in PACE.items():
            site.operate("cloudstack", "set", setting=setting, value=value)
        site.connect()
        return site, tools
    except BaseException:
        end_site(site, False)
        raise


def make_subject(name="pair-1"):
    """A site of its own, with the machine replicated once."""
    site, tools = make_site_of_pairs()
    try:
        return Subject(site, tools, name)
    except BaseException:
        end_site(site, False)
        raise


class Subject:
    def __init__(self, site, tools, name):
        self.site, self.tools, self.name = site, tools, name
        self.context = ""
        self.written = 0
        self.empty = self.objects()
        self.baseline = {}
        self.manage()

    def manage(self):
        """Takes the machine under management and copies it: the baseline."""
        self.site.cli("vm", "add", self.name)
        self.context = self.show()["context_id"]
        self.site.cli("sync", "start", self.name, "--wait")
        self.baseline = self.objects()

    # --- reading ----------------------------------------------------------------------------------------------------

    def show(self):
        return self.get(f"/api/v1/vms/{self.context or self.name}")

    def get(self, path):
        status, body = self.site.api("GET", path, limit=30)
        require(status == 200, f"GET {path}: {status} {body}")
        return body

    def job(self, job_id):
        return self.get(f"/api/v1/jobs/{job_id}")

    def job_if_there(self, job_id):
        """None while the OMA is away."""
        try:
            return self.job(job_id)
        except AWAY:
            return None

    def has_ended(self, job_id):
        job = self.job_if_there(job_id)
        return job if job and job["status"] in FINAL else None

    def disks(self):
        return self.site.machine(self.name)["disks"]

    def points(self):
        return self.get(f"/api/v1/vms/{self.context}/recovery-points")["recovery_points"]

    def source(self):
        return next(m for m in self.site.control("vcenter")["machines"] if m["name"] == self.name)

    def objects(self):
        """What the cloud and the ledger hold: kind -> ids or names."""
        cloud = self.site.control("cloudstack")
        ledger = self.get("/api/v1/ledger")["entries"]
        return {"machines": {m["id"] for m in cloud["vms"]}, "snapshots": {s["id"] for s in cloud["snapshots"]},
                "volumes": {v["id"] for v in cloud["volumes"]},
                "ledger": {f"{e['site']} {e['kind']} {e['name']}" for e in ledger}}

    # --- acting -----------------------------------------------------------------------------------------------------

    def start(self, kind):
        """The job, or nothing and why when it was refused."""
        status, body = self.site.api("POST", kind.path, kind.request(self.context), limit=120)
        return (body["job_id"], "") if status == 202 else (None, f"{status} {json.dumps(body)[:600]}")

    def end_of(self, job_id, limit=JOB_LIMIT_S):
        return wait_for(f"the end of job {job_id}", lambda: self.has_ended(job_id), limit, 0.1)

    def carry_out(self, kind):
        """Without a fault; must end well."""
        job_id, reason = self.start(kind)
        require(job_id, f"{kind.name} was refused: {reason}")
        job = self.end_of(job_id)
        require(job["status"] in WELL, f"{kind.name} without a fault: {self.story(job)}")
        self.stands_at(kind.ends)
        return job

    def start_cleanup(self):
        status, body = self.site.api("POST", "/api/v1/failover/cleanup", {"context_id": self.context}, limit=120)
        require(status == 202, f"the cleanup was refused: {status} {body}")
        return body["job_id"]

    def clean_up(self):
        """The one action that is allowed."""
        self.was_enough(self.start_cleanup())

    def was_enough(self, cleanup):
        job = self.end_of(cleanup)
        require(job["status"] in WELL, f"one cleanup was not enough: {self.story(job)}")

    def renew(self):
        """After a commit: what belongs to the operator now is removed by its owner, and the machine is managed anew."""
        self.site.cli("vm", "remove", self.name, "--confirm", self.name)
        self.site.operate("vcenter", "power", machine=self.name, action="on")
        cloud, now = CloudApi(self.site.lab["cloudstack"]), self.objects()
        for machine in now["machines"] - self.empty["machines"]:
            finish(cloud, cloud.call("destroyVirtualMachine", id=machine, expunge="true"))
        for volume in self.objects()["volumes"] - self.empty["volumes"]:
            finish(cloud, cloud.call("destroyVolume", id=volume, expunge="true"))
        self.context = ""
        self.manage()

    def story(self, job):
        steps = [f"{s['name']}: {s['status']}{' (' + s['error'] + ')' if s['error'] else ''}" for s in job["steps"]
                 if s["status"] not in ("completed", "pending")]
        return f"job {job['job_id']} {job['operation']} {job['status']}: {json.dumps(job['error'])[:800]} {steps}"

    # --- what must hold ---------------------------------------------------------------------------------------------

    def becomes_consistent(self):
        """The status is one that something works on, or one to rest in."""
        def consistent():
            try:
                shown = self.show()
            except AWAY:
                return None
            return shown if (shown["status"] not in RUNNING or shown["job"]) else None

        try:
            wait_for("a consistent status", consistent, CONSISTENT_WITHIN_S, 0.1)
        except SiteError as error:
            raise Broken(f"the status is not consistent {CONSISTENT_WITHIN_S} s after the restart: {self.show()['status']}") from error

    def becomes_free(self):
        """Until no job works on it."""
        return wait_for(f"{self.name} to be free", lambda: (lambda shown: shown if not shown["job"] else None)(self.show()), JOB_LIMIT_S)

    def stands_at(self, name):
        """Everything that is true of a machine at this place: nothing is missing, nothing is left."""
        place = PLACES[name]
        shown = self.show()
        require(shown["status"] == place.status, f"the machine is {shown['status']} ({shown['status_reason']}), not {place.status}")
        require(not shown["job"], f"a job is left: {shown['job']}")
        self.nothing_is_left(place)
        source = self.source()
        require(not source.get("snapshots"), f"the source has snapshots: {source.get('snapshots')}")
        require((source["power"] == "poweredOn") == place.source_runs, f"the source is {source['power']}")
        if place.copy_is_whole:
            self.copy_is_whole()
        require(not self.tools.running(), "a guest tool is still running")

    def nothing_is_left(self, place):
        now = self.objects()
        disks = len(self.disks())
        allowed = {"machines": place.machines, "snapshots": place.snapshots * disks, "volumes": place.clones * disks}
        for kind, count in allowed.items():
            if place.name == "committed" and kind == "volumes":
                continue
            missing, extra = self.baseline[kind] - now[kind], now[kind] - self.baseline[kind]
            require(not missing, f"{kind} are gone: {sorted(missing)}")
            require(len(extra) == count, f"{len(extra)} {kind} beyond the baseline, {count} expected: {sorted(extra)}")
        if place.name == "ready":
            require(now["ledger"] == self.baseline["ledger"], f"the ledger differs: {sorted(now['ledger'] ^ self.baseline['ledger'])}")
        violations = self.site.control("cloudstack")["violations"]
        require(not violations, f"the simulator was asked to answer what it must not: {violations}")

    def copy_is_whole(self):
        """The oracle compares every byte with the source, which has not changed since the last pass."""
        volumes = self.get(f"/api/v1/vms/{self.context}/volumes")["volumes"]
        for disk in self.disks():
            volume = next(v for v in volumes if v["disk_id"] == f"disk-{disk['key']}")
            require(volume["device_path"] and os.path.exists(volume["device_path"]), f"{volume['disk_id']} is not at the appliance: {volume}")
            code, text = self.site.oracle("compare", disk["live_file"], volume["device_path"], "--length", os.path.getsize(disk["live_file"]))
            require(code == 0, f"the copy of {volume['disk_id']} is not the recovery point: {text}")

    def next_sync_is_incremental(self):
        self.written += 1
        self.site.operate("vcenter", "write", machine=self.name, disk=self.disks()[0]["key"], offset=(8 + self.written % 8) << 20,
                          random="true", length=256 << 10)
        self.site.cli("sync", "start", self.name, "--wait")
        disks = self.points()[0]["disks"]
        require(all(d["incremental"] for d in disks), f"the next pass is not incremental: {disks}")
        self.copy_is_whole()

    def end(self):
        with contextlib.suppress(Exception):
            self.tools.reset()
            self.site.clear_faults()
        end_site(self.site, False)


def finish(cloud, answer):
    """Waits for an asynchronous command of the cloud."""
    def ended():
        return cloud.call("queryAsyncJobResult", jobid=answer["jobid"])["jobstatus"] != 0

    wait_for("the cloud's job", ended, 60, 0.1)


def resting(shown, places):
    """The name of the place where the machine rests, or CLEANUP; None elsewhere."""
    if shown["status"] == CLEANUP:
        return CLEANUP
    return next((name for name in places if PLACES[name].status == shown["status"]), None)
