"""Every fault of the side channel does what its description says, as often as asked, and stops."""

import os
import time

import pytest
import requests

from cloudlab import failed, refused, wait_for


def test_catalogue(cloud):
    catalogue = cloud.side("GET", "/faults")
    names = {fault["name"] for fault in catalogue["faults"]}
    assert {"delay_command", "fail_command", "drop_answer", "drop_request", "rate_limit", "unauthorized", "unavailable", "clock_skew",
            "delay_job", "fail_job", "lose_job_result", "capacity", "refuse_unplug", "late_device", "kill_management",
            "snapshot_error", "revert_partial", "hold"} == names
    assert all(fault["about"] for fault in catalogue["faults"])
    assert catalogue["armed"] == []


@pytest.mark.parametrize("wrong", [
    {"name": "no_such_fault"}, {"name": "fail_command", "comand": "x"}, {"name": "fail_command", "nth": "soon"},
    {"name": "fail_job", "when": "later"}, {"name": "kill_management", "command": "x", "at": "noon"}])
def test_typing_errors_are_refused(cloud, wrong):
    with pytest.raises(ValueError):
        cloud.side("POST", "/fault", wrong)
    assert cloud.side("GET", "/faults")["armed"] == []


@pytest.mark.parametrize("code", [401, 431, 530, 531, 533, 535])
def test_fail_the_nth_command(cloud, code):
    cloud.fault("fail_command", command="listZones", nth=2, times=2, code=code, text="because")
    assert cloud.api.listZones()["count"] == 1
    cloud.api.listDomains()  # another command does not count
    assert refused(code, cloud.api.listZones) == "because"
    assert refused(code, cloud.api.listZones) == "because"
    assert cloud.api.listZones()["count"] == 1
    [armed] = cloud.side("GET", "/faults")["armed"]
    assert (armed["matched"], armed["struck"]) == (4, 2)


def test_a_refused_command_does_nothing(cloud):
    cloud.fault("fail_command", command="createVolume", code=530)
    refused(530, cloud.volume, name="never-made")
    assert cloud.api.listVolumes(name="never-made") == {}


def test_drop_answer_after_executing(cloud):
    cloud.fault("drop_answer", command="createVolume")
    with pytest.raises(requests.exceptions.ConnectionError):
        cloud.volume(name="answer-lost")
    assert cloud.api.listVolumes(name="answer-lost")["count"] == 1
    assert any(job["cmd"].endswith("CreateVolumeCmd") for job in cloud.api.listAsyncJobs()["asyncjobs"])


def test_drop_request_before_executing(cloud):
    cloud.fault("drop_request", command="createVolume")
    with pytest.raises(requests.exceptions.ConnectionError):
        cloud.volume(name="request-lost")
    assert cloud.api.listVolumes(name="request-lost") == {}


def test_burst_of_429(cloud):
    cloud.fault("rate_limit", times=3, ms=250)
    for _ in range(3):
        assert "retry after [250] ms" in refused(429, cloud.api.listZones)
    assert cloud.api.listZones()["count"] == 1


def test_real_throttling_spares_the_administrator(cloud):
    cloud.set("api.throttling.max", 3)
    cloud.set("api.throttling.interval", 60)
    cloud.set("api.throttling.enabled", "true")
    for _ in range(3):
        cloud.user.listZones()
    assert "retry after [" in refused(429, cloud.user.listZones)
    for _ in range(5):
        cloud.api.listZones()


def test_401_and_503(cloud):
    cloud.fault("unauthorized", times=1)
    assert refused(401, cloud.api.listZones) == "unable to verify user credentials and/or request signature"
    cloud.fault("unavailable", times=1)
    refused(503, cloud.api.listZones)
    assert cloud.api.listZones()["count"] == 1


def test_delay_command(cloud):
    cloud.fault("delay_command", command="listZones", ms=150)
    begin = time.monotonic()
    cloud.api.listZones()
    assert time.monotonic() - begin >= 0.15


@pytest.mark.parametrize("when", ["before", "after"])
def test_fail_job(cloud, when):
    volume = cloud.volume()
    cloud.fault("fail_job", command="attachVolume", code=530, text="host said no", when=when)
    assert failed(530, cloud.attach, volume) == "host said no"
    assert ("virtualmachineid" in cloud.show(volume)) == (when == "after")
    if when == "before":
        cloud.attach(volume)
    cloud.detach(volume)


def test_fail_job_of_a_snapshot_leaves_it_in_error(cloud):
    volume = cloud.ready_volume()
    cloud.fault("fail_job", command="createSnapshot")
    answer = cloud.api.createSnapshot(volumeid=volume)
    cloud.job(answer["jobid"])
    assert cloud.api.listSnapshots(id=answer["id"])["snapshot"][0]["state"] == "Error"
    assert cloud.show(volume)["state"] == "Ready"


def test_capacity(cloud):
    vm = cloud.deploy("no-room")["id"]
    cloud.fault("capacity", times=2)
    for _ in range(2):
        failed(533, cloud.do, "startVirtualMachine", id=vm)
        assert cloud.machine(vm)["state"] == "Stopped"
    cloud.do("startVirtualMachine", id=vm)
    cloud.do("destroyVirtualMachine", id=vm, expunge="true")


def test_refuse_unplug_k_times(cloud):
    volume = cloud.volume()
    cloud.attach(volume)
    cloud.fault("refuse_unplug", volume=volume, times=2)
    for _ in range(2):
        assert "Could not detach volume after sending the command and waiting for" in failed(530, cloud.detach, volume)
        assert cloud.link(volume).exists() and cloud.show(volume)["virtualmachineid"] == cloud.appliance
    cloud.detach(volume)
    assert not cloud.link(volume).exists()


def test_unplug_that_finishes_late(cloud):
    volume = cloud.volume()
    cloud.attach(volume)
    cloud.fault("refuse_unplug", late_ms=100)
    failed(530, cloud.detach, volume)
    wait_for(lambda: not os.path.lexists(cloud.link(volume)))
    assert cloud.show(volume)["virtualmachineid"] == cloud.appliance
    cloud.detach(volume)
    assert "virtualmachineid" not in cloud.show(volume)


def test_late_device(cloud):
    volume = cloud.volume()
    cloud.fault("late_device", volume=volume, ms=300)
    cloud.attach(volume)
    assert cloud.show(volume)["virtualmachineid"] == cloud.appliance
    assert not cloud.link(volume).exists()
    wait_for(lambda: cloud.link(volume).exists())
    cloud.detach(volume)


def test_delay_job_shows_the_transitional_state(cloud):
    volume = cloud.ready_volume()
    cloud.fault("delay_job", command="attachVolume", ms=300)
    jobid = cloud.api.attachVolume(id=volume, virtualmachineid=cloud.appliance)["jobid"]
    wait_for(lambda: cloud.show(volume)["state"] == "Attaching")
    assert cloud.api.queryAsyncJobResult(jobid=jobid)["jobstatus"] == 0
    cloud.job(jobid)
    assert cloud.show(volume)["state"] == "Ready"
    cloud.detach(volume)


def test_clear(cloud):
    cloud.fault("fail_command", command="listZones", times=0)
    for _ in range(3):
        refused(530, cloud.api.listZones)
    cloud.side("DELETE", "/faults")
    assert cloud.api.listZones()["count"] == 1


def test_unknown_operations_are_refused(cloud):
    for body in ({"name": "nothing"}, {"name": "set", "setting": "no.such", "value": "1"}, {"name": "power_off", "vm": "x"}):
        with pytest.raises(ValueError):
            cloud.side("POST", "/op", body)
