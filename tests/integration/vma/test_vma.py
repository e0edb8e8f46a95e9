"""The VMA service against the lab's vCenter: discovery, full and incremental copies, and everything that goes wrong."""
import json
import os
import signal

import pytest

from conftest import Replica
from vmalab import Vcenter, Vma, new_job, run_digest, wait_for

MIB = 1024 * 1024
SLOW_WRITES = ("--filter=delay", "wdelay=20")


def test_health_needs_no_token_everything_else_does(vma):
    status, health = vma.call("GET", "/health", token="wrong")
    assert status == 200 and health["status"] == "ok" and "folder" in health["readers"]
    for method, path in (("GET", "/api/v1/jobs"), ("POST", "/api/v1/discover"), ("GET", "/nowhere")):
        assert vma.call(method, path, token="wrong")[0] == 401


def test_unknown_jobs_are_404(vma):
    for method, path in (("GET", "/api/v1/progress/nobody"), ("POST", "/api/v1/jobs/nobody/stop"),
                         ("DELETE", "/api/v1/jobs/nobody")):
        status, problem = vma.call(method, path)
        assert status == 404 and "nobody" in problem["detail"]


def test_discover_finds_machines_with_what_hinders_them(vcenter, vma):
    status, found = vma.call("POST", "/api/v1/discover", vcenter.access())
    assert status == 200, found
    machines = {m["name"]: m for m in found["machines"]}
    off_one = machines["off-one"]
    assert [d["id"] for d in off_one["disks"]] == ["disk-2000", "disk-2001"]
    assert [d["capacity"] for d in off_one["disks"]] == [167772160, 25167360]
    assert off_one["instance_uuid"] == vcenter.machine("off-one")["instance_uuid"]
    assert len(off_one["nics"]) == 2
    assert any(f["severity"] == "blocker" and f["text"] for f in machines["refused"]["findings"])

    status, found = vma.call("POST", "/api/v1/discover", vcenter.access(filter="off-one"))
    assert [m["name"] for m in found["machines"]] == ["off-one"]


def test_wrong_password_and_wrong_certificate_are_told_apart(vcenter, vma):
    status, problem = vma.call("POST", "/api/v1/discover", vcenter.access(password="a-wrong-password"))
    assert status == 401 and problem["code"] == "unauthenticated"
    assert "a-wrong-password" not in json.dumps(problem)
    status, problem = vma.call("POST", "/api/v1/discover", vcenter.access(certificate_sha256=":".join(["AB"] * 32)))
    assert status in (401, 502, 503) and "certificate" in problem["detail"].lower()
    assert vma.call("POST", "/api/v1/discover", {})[0] == 400


def test_full_copy_then_increments_are_equal_and_small(vcenter, vma, replica):
    first = replica.sync(new_job())
    replica.assert_equal()
    assert first["percent"] == 100 and first["sync_type"] == "initial"
    assert vcenter.snapshots("off-one") == []
    cell, written = 64 << 10, 0
    for disk in first["result"]["disks"]:
        assert not disk["incremental"] and disk["full_copy_reason"] == "first copy" and disk["change_id"]
        content = vcenter.content("off-one", int(disk["disk_id"].removeprefix("disk-")))
        written += sum(cell for at in range(0, len(content), cell) if any(content[at:at + cell]))
        assert disk["digests"]
        for digest in disk["digests"]:
            piece = content[digest["offset"]:digest["offset"] + digest["length"]]
            assert run_digest(piece, digest["offset"]) == digest["digest"]
    # What was never written is not sent: zeros are found in cells.
    assert 0 < first["sent_bytes"] <= written

    vcenter.write("off-one", 2000, 37 * MIB + 512, 300_000)
    vcenter.write("off-one", 2001, 0, 4096)
    second = replica.sync(new_job())
    replica.assert_equal()
    assert second["sync_type"] == "incremental"
    sent = {d["disk_id"]: d["sent"] for d in second["result"]["disks"]}
    assert 300_000 <= sent["disk-2000"] <= 300_000 + 3 * 65536
    assert 4096 <= sent["disk-2001"] <= 2 * 65536
    ids = {d["disk_id"]: d["change_id"] for d in first["result"]["disks"]}
    assert all(d["change_id"] != ids[d["disk_id"]] for d in second["result"]["disks"])

    third = replica.sync(new_job())
    replica.assert_equal()
    assert third["total_bytes"] == 0 and third["sent_bytes"] == 0 and third["percent"] == 100


def test_full_copy_onto_a_used_volume_clears_it(vcenter, vma, replica):
    for target in replica.disks.values():
        target.file.write_bytes(b"\xee" * len(target.content()))
    order = replica.order(new_job())
    for disk in order["disks"]:
        disk["target_is_zero"] = False
    assert vma.call("POST", "/api/v1/replicate", order)[0] == 202
    assert vma.wait_end(order["job_id"])["state"] == "completed"
    replica.assert_equal()


def test_reset_change_tracking_leads_to_a_full_copy_with_its_reason(vcenter, vma, replica):
    replica.sync(new_job())
    vcenter.write("off-one", 2000, 80 * MIB, 65536)
    vcenter.control("POST", "/fault", {"name": "cbt_reset", "machine": "off-one", "disk": 2000})
    end = replica.sync(new_job())
    replica.assert_equal()
    disks = {d["disk_id"]: d for d in end["result"]["disks"]}
    assert not disks["disk-2000"]["incremental"] and "reset" in disks["disk-2000"]["full_copy_reason"]
    assert disks["disk-2001"]["incremental"]


def test_progress_rises_and_the_same_job_starts_nothing(vcenter, vma, replica):
    replica.serve("--filter=delay", "wdelay=200ms")
    job = replica.start(new_job())
    seen = []

    def is_over():
        progress = vma.progress(job)
        seen.append(progress)
        return progress["state"] != "running"

    wait_for(is_over, "the copy")
    percents = [p["percent"] for p in seen]
    assert percents == sorted(percents) and percents[-1] == 100
    assert all(p["percent"] < 100 for p in seen if p["state"] == "running")
    replica.assert_equal()
    before = len(vma.log())
    assert vma.call("POST", "/api/v1/replicate", replica.order(job))[0] == 202
    assert vma.progress(job)["state"] == "completed"
    assert "engine_started" not in vma.log()[before:]


def test_stop_in_the_middle_removes_the_snapshot(vcenter, vma, replica):
    replica.serve(*SLOW_WRITES)
    job = replica.start(new_job())
    vma.wait_stage(job, "Copying")
    assert len(vcenter.snapshots("off-one")) == 1
    assert vma.call("DELETE", f"/api/v1/jobs/{job}")[0] == 409
    assert vma.call("POST", f"/api/v1/jobs/{job}/stop")[0] == 202
    end = vma.wait_end(job)
    assert end["state"] == "cancelled" and end["error"]["code"] == "cancelled" and end["percent"] < 100
    assert vcenter.snapshots("off-one") == []
    assert vma.call("DELETE", f"/api/v1/jobs/{job}")[0] == 200
    assert vma.call("GET", f"/api/v1/progress/{job}")[0] == 404
    replica.serve()
    replica.sync(new_job())
    replica.assert_equal()


def test_killed_engine_is_interrupted_and_its_snapshot_removed(vcenter, vma, replica):
    replica.sync(new_job())
    vcenter.write("off-one", 2000, 5 * MIB, 2 * MIB)
    replica.serve(*SLOW_WRITES)
    job = replica.start(new_job())
    vma.wait_stage(job, "Copying")
    [engine] = wait_for(vma.engines, "the engine")
    os.kill(engine, signal.SIGKILL)
    end = vma.wait_end(job)
    assert end["state"] == "interrupted"
    assert "signal 9" in end["error"]["message"] and "snapshot was removed" in end["error"]["consequence"]
    assert vcenter.snapshots("off-one") == []
    # The base is still the first pass: the increment is repeated from it.
    replica.serve()
    again = replica.sync(new_job())
    assert again["sync_type"] == "incremental"
    replica.assert_equal()


@pytest.mark.parametrize("stage, method", [("Enabling change tracking", "CreateSnapshot_Task"),
                                           ("Taking snapshot", "CreateSnapshot_Task"),
                                           ("Removing snapshot", "RemoveSnapshot_Task")])
def test_an_engine_killed_while_vcenter_works_leaves_nothing(vcenter, vma, replica, stage, method):
    machine = "off-one"
    if stage == "Enabling change tracking":
        machine = "beacon"  # its tracking is not enabled yet
    vcenter.control("POST", "/fault", {"name": "slow_tasks", "machine": machine, "method": method, "seconds": "3"})
    job = replica.start(new_job(), moref=vcenter.machine(machine)["moref"],
                        instance_uuid=vcenter.machine(machine)["instance_uuid"])
    vma.wait_stage(job, stage)
    [engine] = wait_for(vma.engines, "the engine")
    os.kill(engine, signal.SIGKILL)
    end = vma.wait_end(job)
    assert end["state"] == "interrupted" and "snapshot was removed" in end["error"]["consequence"], end
    assert vcenter.snapshots(machine) == []


def test_snapshots_of_another_appliance_stay(vcenter, vma, replica, folder):
    replica.serve(*SLOW_WRITES)
    job = replica.start(new_job())
    vma.wait_stage(job, "Copying")
    access = vcenter.access(moref=replica.machine["moref"])
    status, problem = vma.call("POST", "/api/v1/snapshots/sweep", access)
    assert status == 409 and job in problem["detail"]
    (folder / "other").mkdir()
    other = Vma(folder / "other", appliance_id="vma-other").start()
    try:
        assert other.call("POST", "/api/v1/snapshots/sweep", access) == (200, {"removed": [], "remaining": []})
        assert len(vcenter.snapshots("off-one")) == 1
    finally:
        assert other.stop() == 0
    vma.call("POST", f"/api/v1/jobs/{job}/stop")
    assert vma.wait_end(job)["state"] == "cancelled"


def test_a_vddk_folder_that_is_not_there_is_refused(folder):
    service = Vma(folder, vddk_library_folder=folder / "no-vddk")
    with pytest.raises(AssertionError, match="readers.vddk_library_folder.*no-vddk.*no folder"):
        service.start()


def test_vddk_without_plugin_or_library_is_said_and_https_is_used(vcenter, folder):
    (folder / "vddk").mkdir()
    service = Vma(folder, vddk_library_folder=folder / "vddk").start()
    replica = Replica(vcenter, service, folder)
    try:
        assert service.call("GET", "/health")[1]["readers"] == ["folder"]
        assert "vddk_not_usable" in service.log()
        replica.sync(new_job())
        replica.assert_equal()
    finally:
        assert service.stop() == 0
        replica.stop()


@pytest.mark.parametrize("appliance_id", ["", "a]b", "x" * 65])
def test_an_appliance_id_that_would_break_the_mark_is_refused(folder, appliance_id):
    with pytest.raises(AssertionError, match="appliance_id"):
        Vma(folder, appliance_id=appliance_id).start()


def test_wrong_password_fails_the_job_and_is_written_nowhere(vcenter, vma, replica, folder):
    job = replica.start(new_job(), password="a-wrong-password")
    end = vma.wait_end(job)
    assert end["state"] == "failed" and end["error"]["code"] == "unauthenticated" and end["error"]["message"]
    job = new_job()
    replica.sync(job)
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".log"):
            text = path.read_text(errors="replace")
            assert vcenter.password not in text and "a-wrong-password" not in text, path


def test_unreachable_target_takes_no_snapshot(vcenter, vma, replica):
    replica.disks[2001].stop()
    end = vma.wait_end(replica.start(new_job()))
    assert end["state"] == "failed" and end["error"]["code"] == "unavailable" and "disk-2001" in end["error"]["message"]
    assert "No snapshot" in end["error"]["consequence"]
    assert vcenter.snapshots("off-one") == []


def test_full_target_fails_with_its_reason(vcenter, vma, replica):
    replica.disks[2000].serve("--filter=error", "error=ENOSPC", "error-pwrite-rate=100%")
    end = vma.wait_end(replica.start(new_job()))
    assert end["state"] == "failed" and end["error"]["code"] == "exhausted" and "disk-2000" in end["error"]["message"]
    assert vcenter.snapshots("off-one") == []


def test_another_machine_at_the_moref_is_refused(vcenter, vma, replica):
    end = vma.wait_end(replica.start(new_job(), instance_uuid="50000000-0000-0000-0000-000000000000"))
    assert end["state"] == "failed" and end["error"]["native"] == "SourceChanged"


def test_disks_that_differ_from_the_source_are_refused(vcenter, vma, replica):
    order = replica.order(new_job())
    order["disks"] = order["disks"][:1]
    vma.call("POST", "/api/v1/replicate", order)
    end = vma.wait_end(order["job_id"])
    assert end["state"] == "failed" and end["error"]["native"] == "SourceChanged" and "disk-2001" in end["error"]["message"]


def test_one_job_per_machine(vcenter, vma, replica):
    replica.serve(*SLOW_WRITES)
    job = replica.start(new_job())
    status, problem = vma.call("POST", "/api/v1/replicate", replica.order(new_job()))
    assert status == 409 and job in problem["detail"]
    vma.call("POST", f"/api/v1/jobs/{job}/stop")
    assert vma.wait_end(job)["state"] == "cancelled"


def test_restart_keeps_finished_jobs_and_interrupts_running_ones(vcenter, vma, replica):
    finished = new_job()
    replica.sync(finished)
    vcenter.write("off-one", 2000, 5 * MIB, 2 * MIB)
    replica.serve(*SLOW_WRITES)
    running = replica.start(new_job())
    vma.wait_stage(running, "Copying")
    vma.process.kill()
    # Nobody is left to ask the engine: it notices, and takes its snapshot away.
    wait_for(lambda: vcenter.snapshots("off-one") == [], "the engine's clean-up")
    vma.start()
    assert vma.progress(finished)["state"] == "completed" and vma.progress(finished)["result"]["disks"][0]["digests"]
    interrupted = vma.progress(running)
    assert interrupted["state"] == "interrupted" and interrupted["error"]["remedy"]
    assert {j["job_id"] for j in vma.call("GET", "/api/v1/jobs")[1]["jobs"]} == {finished, running}
    replica.serve()
    replica.sync(new_job())
    replica.assert_equal()


def test_a_stopped_service_stops_its_engines(vcenter, vma, replica):
    replica.serve(*SLOW_WRITES)
    job = replica.start(new_job())
    vma.wait_stage(job, "Copying")
    assert vma.stop() == 0
    assert vcenter.snapshots("off-one") == []
    vma.start()
    assert vma.progress(job)["state"] == "interrupted"


def test_power_and_sweep(vcenter, vma):
    machine = vcenter.machine("off-one")
    access = vcenter.access(moref=machine["moref"])
    assert vma.call("POST", "/api/v1/power", access)[1]["power_state"] == "poweredOff"
    for action, state in (("power_on", "poweredOn"), ("power_on", "poweredOn"), ("power_off", "poweredOff"),
                          ("power_off", "poweredOff")):
        status, answer = vma.call("POST", "/api/v1/power", {**access, "action": action})
        assert status == 200 and answer["power_state"] == state, answer
    assert vma.call("POST", "/api/v1/power", {**access, "moref": "vm-nobody"})[0] == 404
    assert vma.call("POST", "/api/v1/power", {**access, "action": "explode"})[0] == 400
    status, swept = vma.call("POST", "/api/v1/snapshots/sweep", access)
    assert status == 200 and swept == {"removed": [], "remaining": []}


@pytest.fixture
def own_vcenter(folder):
    """For what a test cannot take back: snapshots of others."""
    (folder / "vcenter").mkdir()
    vcenter = Vcenter(folder / "vcenter")
    yield vcenter
    assert vcenter.process.stop() == 0


def test_snapshots_of_ours_are_found_everywhere_and_removed_one_by_one(own_vcenter, vma):
    vcenter = own_vcenter
    machine = vcenter.machine("off-one")
    job = new_job()
    mark = f"Temporary snapshot. [migratekit job={job} appliance=another]"
    made = [vcenter.control("POST", "/op", {"op": "snapshot", "machine": "off-one", "name": name, "description": text})["moref"]
            for name, text in ((f"migratekit-{job}", mark), ("migratekit-by-hand", "looks like ours"), ("nightly", "theirs"))]
    status, found = vma.call("POST", "/api/v1/snapshots/list", vcenter.access())
    assert status == 200, found
    assert found["vcenter_uuid"] == vma.call("POST", "/api/v1/discover", vcenter.access(filter="off-one"))[1]["vcenter_uuid"]
    listed = {s["moref"]: s for s in found["snapshots"]}
    assert set(listed) == set(made[:2])
    ours, by_hand = listed[made[0]], listed[made[1]]
    assert (ours["job_id"], ours["appliance_id"], ours["machine_moref"]) == (job, "another", machine["moref"])
    assert ours["machine_name"] == "off-one" and ours["instance_uuid"] == machine["instance_uuid"] and ours["created_ms"] > 0
    assert (by_hand["job_id"], by_hand["appliance_id"]) == ("", "")

    def remove(moref, of=machine["moref"]):
        return vma.call("POST", "/api/v1/snapshots/remove", vcenter.access(moref=of, snapshot_moref=moref))

    for foreign in made[1:]:
        status, problem = remove(foreign)
        assert status == 403 and "not ours" in problem["detail"], problem
    for _ in range(2):
        assert remove(made[0]) == (200, {"removed": True})
    assert remove(made[0], "vm-nobody") == (200, {"removed": True})
    assert [s["name"] for s in vcenter.snapshots("off-one")] == ["migratekit-by-hand", "nightly"]


def test_jobs_wait_for_a_slot(vcenter, folder):
    service = Vma(folder, engines=1).start()
    one = Replica(vcenter, service, folder, *SLOW_WRITES)
    try:
        first = one.start(new_job())
        service.wait_stage(first, "Copying")
        second = new_job()
        beacon = vcenter.machine("beacon")
        other = {**one.order(second), "moref": beacon["moref"], "instance_uuid": beacon["instance_uuid"]}
        assert service.call("POST", "/api/v1/replicate", other)[0] == 202
        service.wait_stage(second, "Waiting for a slot (place 1 of 1)")
        for job in (second, first):
            service.call("POST", f"/api/v1/jobs/{job}/stop")
            assert service.wait_end(job)["state"] == "cancelled"
    finally:
        service.stop()
        one.stop()


def test_bad_configuration_is_refused_with_its_reason(folder):
    service = Vma(folder)
    service.config.write_text(service.config.read_text() + "surprise = 1\n")
    try:
        service.start()
        raise AssertionError("it started")
    except AssertionError as failure:
        assert "surprise" in str(failure)


def test_session_loss_in_the_copy_is_survived(vcenter, vma, replica):
    replica.serve("--filter=delay", "wdelay=200ms")
    job = replica.start(new_job())
    vma.wait_stage(job, "Copying")
    vcenter.control("POST", "/fault", {"name": "session_expire"})
    end = vma.wait_end(job)
    assert end["state"] == "completed", end
    replica.assert_equal()
