"""Asynchronous jobs: forms, order per machine, expiry, and what a restart or a crash leaves."""

import os
import signal
import subprocess

import pytest
import requests

from cloudlab import LIMIT, refused, wait_for


def test_pending_then_done(cloud):
    cloud.fault("delay_job", command="createVolume", ms=200)
    answer = cloud.api.createVolume(name="slow", size=1, zoneid=cloud.zone, diskofferingid=cloud.endpoint["disk_offering_id"])
    assert set(answer) == {"id", "jobid"}
    pending = cloud.api.queryAsyncJobResult(jobid=answer["jobid"])
    assert (pending["jobstatus"], pending["jobresultcode"]) == (0, 0)
    assert not {"jobresult", "completed"} & set(pending)
    shown = cloud.show(answer["id"])
    assert (shown["jobid"], shown["jobstatus"]) == (answer["jobid"], 0)
    done = cloud.job(answer["jobid"])
    assert (done["jobinstancetype"], done["jobinstanceid"]) == ("Volume", answer["id"])
    assert done["cmd"].endswith(".CreateVolumeCmd")
    assert done["jobresult"]["volume"]["id"] == answer["id"]
    assert "jobid" not in cloud.show(answer["id"])


def test_attach_answers_only_the_job(cloud):
    volume = cloud.volume()
    answer = cloud.api.attachVolume(id=volume, virtualmachineid=cloud.appliance)
    assert set(answer) == {"jobid"}
    cloud.job(answer["jobid"])
    cloud.detach(volume)


def test_failed_job(cloud):
    job = cloud.job(cloud.api.detachVolume(id=cloud.volume())["jobid"])
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 431)
    assert job["jobresult"]["errorcode"] == 431
    assert job["jobresult"]["errortext"] and job["jobresult"]["uuidList"] == []


@pytest.mark.parametrize("code", [530, 0])
@pytest.mark.parametrize("done", [True, False])
def test_failed_without_a_result(cloud, code, done):
    volume = cloud.volume()
    cloud.fault("lose_job_result", command="attachVolume", code=code, done=done)
    job = cloud.job(cloud.api.attachVolume(id=volume, virtualmachineid=cloud.appliance)["jobid"])
    assert (job["jobstatus"], job["jobresultcode"]) == (2, code)
    assert "jobresult" not in job
    assert ("virtualmachineid" in cloud.show(volume)) == done
    assert cloud.link(volume).exists() == done
    if done:
        cloud.detach(volume)


def test_expired_job_is_unknown(cloud):
    jobid = cloud.api.detachVolume(id=cloud.volume())["jobid"]
    cloud.job(jobid)
    cloud.op("expire_jobs")
    assert "Invalid parameter jobid" in refused(431, cloud.api.queryAsyncJobResult, jobid=jobid)


def test_jobs_of_one_machine_wait_for_each_other(cloud):
    first, second = cloud.volume(), cloud.volume()
    cloud.fault("delay_job", command="attachVolume", ms=400)
    slow = cloud.api.attachVolume(id=first, virtualmachineid=cloud.appliance)["jobid"]
    queued = cloud.api.attachVolume(id=second, virtualmachineid=cloud.appliance)["jobid"]
    vm = cloud.deploy("another")["id"]  # another machine's queue is free
    assert cloud.api.queryAsyncJobResult(jobid=slow)["jobstatus"] == 0
    assert cloud.api.queryAsyncJobResult(jobid=queued)["jobstatus"] == 0
    cloud.job(queued)
    assert cloud.api.queryAsyncJobResult(jobid=slow)["jobstatus"] == 1
    assert (cloud.show(first)["deviceid"], cloud.show(second)["deviceid"]) == (1, 2)
    for volume in (first, second):
        cloud.detach(volume)
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_list_of_own_jobs(cloud):
    jobid = cloud.api.detachVolume(id=cloud.volume())["jobid"]
    assert jobid in {job["jobid"] for job in cloud.api.listAsyncJobs()["asyncjobs"]}
    assert jobid not in {job["jobid"] for job in cloud.user.listAsyncJobs(listall="true").get("asyncjobs", [])}
    refused(531, cloud.user.queryAsyncJobResult, jobid=jobid)
    assert cloud.api.listAsyncJobs(startdate="2099-01-01T00:00:00+0000") == {}
    cloud.job(jobid)


def test_the_tenant_reads_a_generic_text(cloud):
    volume = cloud.do("createVolume", cloud.user, name="t", size=1, zoneid=cloud.zone,
                      diskofferingid=cloud.endpoint["disk_offering_id"])["volume"]["id"]
    cloud.fault("fail_job", command="resizeVolume", code=530, text="secret of the host")
    job = cloud.user.resizeVolume(id=volume, size=2)["jobid"]
    shown = cloud.job(job)
    assert shown["jobresultcode"] == 530
    assert shown["jobresult"]["errortext"] == "Internal error executing command, please contact your system administrator"


def loops_under(state):
    out = subprocess.run(["losetup", "-nO", "NAME,BACK-FILE"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in out.splitlines() if str(state) in line]


def test_crash_and_restart(own):
    attached, other = own.volume(name="attached"), own.volume(name="other")
    own.attach(attached)
    with open(own.link(attached), "r+b") as device:
        device.write(b"survives")
    vm = own.deploy("survivor")["id"]
    own.do("startVirtualMachine", id=vm)
    pid = next(m["pid"] for m in own.inventory()["vms"] if m["id"] == vm)
    own.fault("delay_job", command="attachVolume", ms=20000)
    jobid = own.api.attachVolume(id=other, virtualmachineid=own.appliance)["jobid"]
    wait_for(lambda: own.show(other)["state"] == "Creating")
    url = own.url
    own.kill()
    for device in loops_under(own.state):
        subprocess.run(["losetup", "-d", device], check=True)  # as a reboot of the host would
    own.start()
    assert own.url == url
    job = own.api.queryAsyncJobResult(jobid=jobid)
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530) and "jobresult" not in job
    assert own.show(other)["state"] == "Allocated" and "virtualmachineid" not in own.show(other)
    assert own.link(attached).exists() and not own.link(other).exists()
    with open(own.link(attached), "rb") as device:
        assert device.read(8) == b"survives"
    assert own.machine(vm)["state"] == "Running"
    assert next(m["pid"] for m in own.inventory()["vms"] if m["id"] == vm) == pid
    own.op("power_off", vm=vm)
    wait_for(lambda: own.machine(vm)["state"] == "Stopped")
    own.attach(other)
    own.detach(other)
    own.detach(attached)


def test_crash_after_which_the_guest_is_gone(own):
    vm = own.deploy("lost")["id"]
    own.do("startVirtualMachine", id=vm)
    pid = next(m["pid"] for m in own.inventory()["vms"] if m["id"] == vm)
    own.kill()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or "State:\tZ" in open(f"/proc/{pid}/status").read())
    own.start()
    assert own.machine(vm)["state"] == "Stopped"
    own.do("startVirtualMachine", id=vm)


def test_orderly_stop_leaves_nothing_and_the_next_start_brings_it_back(own):
    volume = own.volume()
    own.attach(volume)
    vm = own.deploy("stopped-with-us")["id"]
    own.do("startVirtualMachine", id=vm)
    pid = next(m["pid"] for m in own.inventory()["vms"] if m["id"] == vm)
    own.stop()
    assert own.process.returncode == 0
    assert loops_under(own.state) == [] and not os.path.exists(f"/proc/{pid}")
    assert list((own.state / "by-id").iterdir()) == []
    own.start()
    assert own.link(volume).exists() and own.show(volume)["deviceid"] == 1
    assert own.machine(vm)["state"] == "Stopped"
    own.detach(volume)


def test_two_simulators_do_not_share_a_directory(own):
    second = subprocess.run([own.program, "--state", own.state], capture_output=True, text=True, timeout=LIMIT)
    assert second.returncode == 1 and "another lab-cloudstack runs" in second.stderr
    assert own.api.listZones()["count"] == 1


def kill_during(cloud, command, at, **parameters):
    cloud.fault("kill_management", command=command, at=at)
    jobid = getattr(cloud.api, command)(**parameters)["jobid"]
    job = cloud.job(jobid)
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530) and "jobresult" not in job
    return job


@pytest.mark.parametrize("at", ["queued", "transitional", "host", "done"])
def test_server_dies_in_an_attach(cloud, at):
    volume = cloud.ready_volume()
    kill_during(cloud, "attachVolume", at, id=volume, virtualmachineid=cloud.appliance)
    shown = cloud.show(volume)
    assert shown["state"] == "Ready"
    assert ("virtualmachineid" in shown) == (at == "done")
    assert cloud.link(volume).exists() == (at in ("host", "done"))
    if at != "done":
        cloud.attach(volume)
    assert cloud.link(volume).exists()
    cloud.detach(volume)
    assert not cloud.link(volume).exists()


@pytest.mark.parametrize("at", ["transitional", "during", "host", "done"])
def test_server_dies_in_a_snapshot(cloud, at):
    volume = cloud.ready_volume()
    job = kill_during(cloud, "createSnapshot", at, volumeid=volume)
    shown = cloud.api.listSnapshots(id=job["jobinstanceid"])["snapshot"][0]
    assert shown["state"] == ("BackedUp" if at == "done" else "Error")
    assert cloud.show(volume)["state"] == "Ready"
    cloud.do("deleteSnapshot", id=shown["id"])
    assert not (cloud.state / "snapshots" / shown["id"]).exists()


@pytest.mark.parametrize("at", ["transitional", "during", "host", "done"])
def test_server_dies_in_a_revert(cloud, at):
    volume = cloud.ready_volume()
    marks = {100 << 20: None, 900 << 20: None}
    with open(cloud.file(volume), "r+b") as image:
        for offset in marks:
            image.seek(offset)
            image.write(b"old")
    snapshot = cloud.snapshot(volume)["id"]
    with open(cloud.file(volume), "r+b") as image:
        for offset in marks:
            image.seek(offset)
            image.write(b"new")
    kill_during(cloud, "revertSnapshot", at, id=snapshot)
    with open(cloud.file(volume), "rb") as image:
        for offset in marks:
            image.seek(offset)
            marks[offset] = image.read(3)
    assert list(marks.values()) == {"transitional": [b"new", b"new"], "during": [b"old", b"new"]}.get(at, [b"old", b"old"])
    assert cloud.show(volume)["state"] == "Ready"
    cloud.do("revertSnapshot", id=snapshot)


@pytest.mark.parametrize("at", ["transitional", "host", "done"])
def test_server_dies_in_a_start(cloud, at):
    vm = cloud.deploy("dies")["id"]
    kill_during(cloud, "startVirtualMachine", at, id=vm)
    assert cloud.machine(vm)["state"] == ("Running" if at == "done" else "Stopped")
    if at != "done":
        cloud.do("startVirtualMachine", id=vm)
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_server_dies_at_once_and_stays_away(cloud):
    cloud.fault("kill_management", down_ms=300)
    with pytest.raises(requests.exceptions.ConnectionError):
        cloud.api.listZones()
    wait_for(lambda: answers(cloud))


def answers(cloud):
    try:
        return cloud.api.listZones()["count"] == 1
    except requests.exceptions.ConnectionError:
        return False
