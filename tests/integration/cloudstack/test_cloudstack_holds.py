"""Commands that are stopped at a chosen instant, and the log of what was asked: what the fault matrix is made with."""

import socket
import threading
import urllib.parse

import pytest
import requests

from cloudlab import wait_for


def held(cloud):
    """What is held, once something is."""
    return cloud.side("POST", "/op", {"name": "hold_wait", "ms": 20000})["held"]


def release(cloud):
    return cloud.op("hold_release")["held"]


@pytest.fixture
def volume(cloud):
    volume = cloud.ready_volume()
    yield volume
    cloud.side("DELETE", "/faults")
    wait_for(lambda: cloud.show(volume)["state"] == "Ready")
    if "virtualmachineid" in cloud.show(volume):
        cloud.detach(volume)


def test_held_at_its_arrival_nothing_is_done(cloud, volume):
    cloud.fault("hold", command="attachVolume", at="request")
    answers = []
    client = threading.Thread(target=lambda: answers.append(cloud.api.attachVolume(id=volume, virtualmachineid=cloud.appliance)))
    client.start()
    [stopped] = held(cloud)
    assert (stopped["command"], stopped["object"], stopped["at"]) == ("attachVolume", volume, "request")
    assert "virtualmachineid" not in cloud.show(volume)
    release(cloud)
    client.join()
    cloud.job(answers[0]["jobid"])
    assert cloud.show(volume)["virtualmachineid"] == cloud.appliance


def test_command_of_a_client_that_is_gone_is_dropped(cloud):
    cloud.fault("hold", command="createVolume", at="request")
    body = urllib.parse.urlencode({"command": "createVolume", "name": "from-the-dead", "response": "json"})
    address = urllib.parse.urlparse(cloud.url)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(f"POST {address.path} HTTP/1.1\r\nHost: lab\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                       f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        held(cloud)
    wait_for(lambda: held(cloud)[0]["client_gone"])
    release(cloud)
    cloud.api.listZones()
    assert cloud.api.listVolumes(name="from-the-dead") == {}
    assert not [c for c in cloud.op("commands", changing=True)["commands"] if c["object"] == "from-the-dead"]


@pytest.mark.parametrize("point, state, attached", [
    ("transitional", "Attaching", False), ("host", "Attaching", False), ("answer", "Ready", True)])
def test_held_in_its_job(cloud, volume, point, state, attached):
    cloud.fault("hold", command="attachVolume", at=point)
    jobid = cloud.api.attachVolume(id=volume, virtualmachineid=cloud.appliance)["jobid"]
    assert [stopped["at"] for stopped in held(cloud)] == [point]
    shown = cloud.show(volume)
    assert (shown["state"], "virtualmachineid" in shown) == (state, attached)
    assert cloud.link(volume).exists() == (point != "transitional")
    assert cloud.api.queryAsyncJobResult(jobid=jobid)["jobstatus"] == 0
    release(cloud)
    assert cloud.job(jobid)["jobstatus"] == 1


def test_held_before_the_answer_that_names_the_job(cloud, volume):
    cloud.fault("hold", command="attachVolume", at="accepted")
    client = threading.Thread(target=lambda: cloud.api.attachVolume(id=volume, virtualmachineid=cloud.appliance))
    client.start()
    held(cloud)
    wait_for(lambda: "virtualmachineid" in cloud.show(volume))
    release(cloud)
    client.join()


def test_synchronous_command_held_after_its_effect(cloud):
    volume = cloud.volume(name="deleted")
    cloud.fault("hold", command="deleteVolume", at="answer")
    client = threading.Thread(target=lambda: cloud.api.deleteVolume(id=volume))
    client.start()
    held(cloud)
    assert cloud.api.listVolumes(id=volume, listall="true") == {}
    release(cloud)
    client.join()


def test_only_the_nth_is_held(cloud, volume):
    cloud.fault("hold", command="listZones", nth=2, at="answer")
    cloud.api.listZones()
    assert cloud.side("POST", "/op", {"name": "hold_wait", "ms": 0})["held"] == []
    client = threading.Thread(target=cloud.api.listZones)
    client.start()
    assert [stopped["command"] for stopped in held(cloud)] == ["listZones"]
    release(cloud)
    client.join()
    cloud.api.listZones()


def test_clearing_the_faults_releases(cloud, volume):
    cloud.fault("hold", command="attachVolume", at="host")
    jobid = cloud.api.attachVolume(id=volume, virtualmachineid=cloud.appliance)["jobid"]
    held(cloud)
    cloud.side("DELETE", "/faults")
    assert cloud.job(jobid)["jobstatus"] == 1


def test_management_server_dies_with_what_it_holds(cloud, volume):
    cloud.fault("hold", command="attachVolume", at="transitional")
    jobid = cloud.api.attachVolume(id=volume, virtualmachineid=cloud.appliance)["jobid"]
    held(cloud)
    cloud.fault("kill_management")
    assert wait_for(lambda: job_of(cloud, jobid))["jobstatus"] == 2
    assert cloud.side("POST", "/op", {"name": "hold_wait", "ms": 0})["held"] == []
    assert "virtualmachineid" not in cloud.show(volume)


def job_of(cloud, jobid):
    try:
        job = cloud.api.queryAsyncJobResult(jobid=jobid)
    except requests.exceptions.ConnectionError:
        return None
    return job if job["jobstatus"] else None


def test_log_of_commands(cloud, volume):
    cloud.op("commands", reset=True)
    cloud.attach(volume)
    cloud.api.listZones()
    changing = cloud.op("commands", changing=True)["commands"]
    assert [(c["command"], c["object"], c["changing"], c["status"]) for c in changing] == [("attachVolume", volume, True, 200)]
    everything = {c["command"] for c in cloud.op("commands", reset=True)["commands"]}
    assert {"attachVolume", "queryAsyncJobResult", "listZones"} <= everything
    assert cloud.op("commands")["commands"] == []
