"""What breaks in the middle ends in a clear message and in a state from which the next command works; the last recovery
point stays whole. Every test starts and ends with the machine 'off-one' ready. Killed processes are in tests/faults."""

import json
import subprocess

import pytest

VM = "off-one"


def machine(site):
    return site.cli_json("vm", "show", VM)


def points(site):
    return site.api("GET", f"/api/v1/vms/{machine(site)['context_id']}/recovery-points")[1]["recovery_points"]


def volumes(site):
    return site.api("GET", f"/api/v1/vms/{machine(site)['context_id']}/volumes")[1]["volumes"]


def content(site):
    """SHA-256 of every volume's device, read by the oracle."""
    return {v["disk_id"]: site.oracle("digest", v["device_path"])[1] for v in volumes(site)}


def disk_key(site, index=0):
    return int(machine(site)["disks"][index]["disk_id"][5:])


def write(site, megabytes=2, offset=0, index=0):
    site.operate("vcenter", "write", machine=VM, disk=disk_key(site, index), offset=offset, random="true", length=megabytes << 20)


def failed_sync(site, *arguments):
    """Starts a sync that must fail; returns its error."""
    completed = site.run_cli("-o", "json", "sync", "start", VM, "--wait", *arguments)
    assert completed.returncode != 0, completed.stdout
    job = site.api("GET", "/api/v1/jobs?vm=" + machine(site)["context_id"])[1]["jobs"][0]
    error = job["error"] or json.loads(completed.stderr.strip().splitlines()[-1])
    assert error["message"] and error["consequence"] and error["remedy"], error
    return error


@pytest.fixture(scope="module")
def site(quick_site):
    """Without guests; 'off-one' has its first recovery point."""
    if VM not in {m["name"] for m in quick_site.cli_json("vm", "list")["vms"]}:
        quick_site.cli("vm", "add", VM)
    quick_site.cli("sync", "start", VM, "--wait")
    return quick_site


@pytest.fixture(autouse=True)
def last_point_stays_whole(site):
    """Around every test: no fault is left on, the next sync works and is incremental, and what the volumes hold is what
    the source holds."""
    site.clear_faults()
    assert machine(site)["status"] == "ready_for_failover"
    yield
    site.clear_faults()
    site.cli("sync", "start", VM, "--wait")
    assert machine(site)["status"] == "ready_for_failover"
    for disk in site.machine(VM)["disks"]:
        volume = next(v for v in volumes(site) if v["disk_id"] == f"disk-{disk['key']}")
        code, text = site.oracle("compare", disk["live_file"], volume["device_path"], "--allow-zero-tail")
        assert code == 0, text


def test_connection_cut_in_a_copy(site):
    write(site, 8)
    site.fault("vcenter", "drop_connection", method="folder", nth=2, after_bytes=300000)
    site.cli("sync", "start", VM, "--wait")
    assert points(site)[0]["applied"]


def test_staging_disk_full(site):
    """The staging folder is filled up before the increment."""
    mounted = site.staging
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mounted)], check=True)
    try:
        write(site, 8)
        before, held = points(site), content(site)
        error = failed_sync(site)
        assert "space" in json.dumps(error).lower()
        assert points(site) == before
        assert content(site) == held
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True)


def test_cloudstack_refuses(site):
    """A command that a failover needs is refused."""
    before, held = points(site), content(site)
    site.fault("cloudstack", "fail_command", command="createSnapshot", code=530, times=50)
    completed = site.run_cli("-o", "json", "failover", "test", VM, "--skip-inspection", "--wait")
    assert completed.returncode != 0
    site.clear_faults()
    assert points(site) == before
    if machine(site)["status"] != "ready_for_failover":
        site.cli("cleanup", "run", VM, "--wait")
    assert machine(site)["status"] == "ready_for_failover"
    assert content(site) == held


def test_cloudstack_is_busy(site):
    """429: waited out, not an error."""
    site.fault("cloudstack", "rate_limit", times=5)
    status, checks = site.api("POST", "/api/v1/failover/check", {"context_id": VM, "inspect_guest": False})
    assert status == 200 and not [c for c in checks["checks"] if c["code"] == "cloudstack" and c["severity"] == "blocker"]


def test_disk_grown_between_passes(site):
    """Last: the machine stays grown."""
    before, held = points(site), content(site)
    capacity = machine(site)["disks"][0]["capacity"]
    site.operate("vcenter", "grow", machine=VM, disk=disk_key(site), capacity=capacity + (64 << 20))
    error = failed_sync(site)
    assert "grew" in error["message"] and "--full" in error["remedy"]
    assert points(site) == before and content(site) == held
    site.cli("sync", "start", VM, "--full", "--wait")
    assert not points(site)[0]["disks"][0]["incremental"]
