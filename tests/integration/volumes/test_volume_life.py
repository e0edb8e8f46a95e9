"""Volumes from creation to deletion, as CloudStack, the device folder and our API show them."""

import os
import sqlite3

import pytest

from daemonlab import GIB, MIB, Failed, Refused


def test_health_needs_no_token_and_everything_else_does(daemon):
    assert daemon.call("GET", "/health", token="none")["status"] == "ok"
    with pytest.raises(Refused) as refused:
        daemon.call("GET", "/api/v1/volumes", token="wrong")
    assert refused.value.status == 401


def test_attached_volume_is_found_by_its_serial(daemon, cloud, context):
    volume = daemon.create(context=context)
    assert volume["state"] == "Allocated" and volume["operation_mode"] == ""
    attached = daemon.do("POST", f"/api/v1/volumes/{volume['volume_id']}/attach", {})
    assert attached["operation_mode"] == "oma" and attached["vm_id"] == cloud.appliance
    assert os.path.realpath(cloud.link(volume["volume_id"])) == attached["device_path"]
    assert os.path.basename(attached["symlink_path"]) == f"vol-{context}-disk-2000"
    assert os.path.realpath(attached["symlink_path"]) == attached["device_path"]
    device = daemon.call("GET", f"/api/v1/volumes/{volume['volume_id']}/device")
    assert device == {"attached": True, "device_path": attached["device_path"], "symlink_path": attached["symlink_path"],
                      "vm_id": cloud.appliance}


def test_creating_the_same_disk_again_gives_the_same_volume(daemon, context):
    first = daemon.create(context=context)
    assert daemon.create(context=context)["volume_id"] == first["volume_id"]
    assert daemon.create("disk-2001", context)["volume_id"] != first["volume_id"]
    assert len(daemon.call("GET", f"/api/v1/volumes?vm_context_id={context}")["volumes"]) == 2


def test_sizes_are_rounded_up_to_whole_gibibytes(daemon, context):
    assert daemon.create(context=context, size=GIB + 512)["size_bytes"] == 2 * GIB


def test_lost_answer_of_the_creation_makes_no_second_volume(daemon, cloud, context):
    cloud.fault("drop_answer", command="createVolume")
    volume = daemon.create(context=context)
    same = [v for v in cloud.api.listVolumes(listall="true", name=volume["name"])["volume"]]
    assert [v["id"] for v in same] == [volume["volume_id"]]


def test_job_without_result_is_decided_by_the_state(daemon, cloud, context):
    volume = daemon.create(context=context)["volume_id"]
    cloud.fault("lose_job_result", command="attachVolume", done="true")
    assert daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})["operation_mode"] == "oma"
    cloud.fault("lose_job_result", command="detachVolume", done="true")
    assert daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})["operation_mode"] == ""


def test_refused_hot_unplug_is_repeated(daemon, cloud, volume):
    cloud.fault("refuse_unplug", volume=volume, times="2")
    detached = daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    assert detached["operation_mode"] == "" and detached["symlink_path"] == ""
    assert not cloud.link(volume).exists()


def test_device_that_comes_late_is_waited_for(daemon, cloud, context):
    volume = daemon.create(context=context)["volume_id"]
    cloud.fault("late_device", volume=volume, ms="1500")
    assert daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})["device_path"]


def test_attached_volume_is_not_deleted_and_a_detached_one_is_gone(daemon, cloud, volume):
    with pytest.raises(Failed) as failed:
        daemon.do("DELETE", f"/api/v1/volumes/{volume}")
    assert failed.value.error["code"] == "conflict"
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    daemon.do("DELETE", f"/api/v1/volumes/{volume}")
    assert not cloud.file(volume).exists()
    with pytest.raises(Refused) as refused:
        daemon.call("GET", f"/api/v1/volumes/{volume}")
    assert refused.value.status == 404
    daemon.do("DELETE", f"/api/v1/volumes/{volume}")


def test_grown_volume_has_its_new_size_at_the_device(daemon, volume):
    grown = daemon.do("POST", f"/api/v1/volumes/{volume}/resize", {"size_bytes": 2 * GIB - MIB})
    assert grown["size_bytes"] == 2 * GIB
    with open(grown["device_path"], "rb") as device:
        assert device.seek(0, os.SEEK_END) == 2 * GIB
    with pytest.raises(Failed) as failed:
        daemon.do("POST", f"/api/v1/volumes/{volume}/resize", {"size_bytes": GIB})
    assert failed.value.error["code"] == "invalid"


def test_root_swap_discards_the_default_root_and_never_a_replica(daemon, cloud, volume):
    daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})
    vm = cloud.deploy("swap-" + volume[:8])["id"]
    [root] = daemon.call("GET", f"/api/v1/machines/{vm}/volumes")["volumes"]
    assert root["type"] == "ROOT" and not root["is_replica"]
    assert daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})["volume_id"] == root["volume_id"]
    assert daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})["volume_id"] == ""
    attached = daemon.do("POST", f"/api/v1/volumes/{volume}/attach-root", {"vm_id": vm})
    assert (attached["type"], attached["device_id"], attached["operation_mode"]) == ("ROOT", 0, "failover")
    assert daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})["volume_id"] == "", "repeated after the swap"
    assert cloud.show(volume)["virtualmachineid"] == vm and cloud.show(volume)["type"] == "ROOT"
    assert daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})["type"] == "DATADISK"


def test_discarding_goes_on_after_it_was_cut_off_between_detach_and_delete(daemon, cloud, context):
    vm = cloud.deploy("cut-" + context[4:])["id"]
    [root] = daemon.call("GET", f"/api/v1/machines/{vm}/volumes")["volumes"]
    cloud.fault("fail_command", command="deleteVolume", code="530")
    with pytest.raises(Failed):
        daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})
    assert daemon.do("POST", f"/api/v1/machines/{vm}/discard-default-root", {})["volume_id"] == root["volume_id"]
    assert not cloud.file(root["volume_id"]).exists()


def test_vm_snapshot_of_the_appliance_is_named_before_cloudstack_refuses(daemon, cloud, context, volume):
    cloud.op("vm_snapshot", vm=cloud.appliance, snapshot="nightly")
    other = {"vm_context_id": context, "disk_id": "disk-2009", "name": "web", "size_bytes": GIB}
    try:
        for method, path, body in (("POST", "/api/v1/volumes", other), ("POST", f"/api/v1/volumes/{volume}/detach", {})):
            with pytest.raises(Failed) as failed:
                daemon.do(method, path, body)
            assert failed.value.error["code"] == "conflict" and "nightly" in failed.value.error["message"]
            assert failed.value.error["remedy"] and failed.value.error["consequence"]
        assert daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})["operation_mode"] == "oma", "it is there already"
    finally:
        cloud.op("vm_snapshot_gone", vm=cloud.appliance)
    assert daemon.do("POST", f"/api/v1/volumes/{volume}/detach", {})["operation_mode"] == ""


def test_disk_beyond_the_clouds_limit_is_refused_with_the_limit(daemon, context):
    with pytest.raises(Failed) as failed:
        daemon.create(context=context, size=1025 * GIB)
    assert failed.value.error["code"] == "conflict" and "1024 GiB" in failed.value.error["message"]
    assert "custom.diskoffering.size.max" in failed.value.error["remedy"]
    assert open_entries(daemon, context) == []


def open_entries(daemon, context):
    with sqlite3.connect(daemon.folder / "oma.db") as database:
        return [row[0] for row in database.execute(
            "SELECT kind FROM ledger WHERE vm_context_id = ? AND state <> 'gone'", (context,))]


def test_ledger_forgets_what_was_refused_and_what_is_deleted(daemon, cloud, context):
    cloud.fault("fail_command", command="createVolume", code="535", text="limit")
    with pytest.raises(Failed):
        daemon.create(context=context)
    assert open_entries(daemon, context) == []
    cloud.side("DELETE", "/faults")
    volume = daemon.create(context=context)["volume_id"]
    assert open_entries(daemon, context) == ["volume"]
    daemon.do("DELETE", f"/api/v1/volumes/{volume}")
    assert open_entries(daemon, context) == []


@pytest.mark.parametrize("fault,values,code", [
    ("unauthorized", {"command": "listVolumes", "times": "0"}, "unauthenticated"),
    ("fail_command", {"command": "createVolume", "code": "431", "text": "no such offering"}, "invalid"),
    ("fail_command", {"command": "createVolume", "code": "535", "text": "limit"}, "exhausted"),
    ("fail_job", {"command": "createVolume", "code": "530"}, "external"),
])
def test_refusals_are_typed_and_carry_a_remedy(daemon, cloud, context, fault, values, code):
    cloud.fault(fault, **values)
    with pytest.raises(Failed) as failed:
        daemon.create(context=context)
    assert failed.value.error["code"] == code
    cloud.side("DELETE", "/faults")
    assert daemon.create(context=context)["state"] == "Allocated"


def test_rate_limit_is_waited_out(daemon, cloud, context):
    cloud.fault("rate_limit", command="*", times="4", ms="50")
    assert daemon.create(context=context)["state"] == "Allocated"


def test_restart_of_the_management_server_in_the_middle_of_an_attach_is_survived(daemon, cloud, context):
    volume = daemon.create(context=context)["volume_id"]
    cloud.fault("kill_management", command="attachVolume", at="transitional", down_ms="500")
    try:
        daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})
    except Failed as failed:
        assert failed.error["retry_safe"]
        daemon.do("POST", f"/api/v1/volumes/{volume}/attach", {})
    assert daemon.call("GET", f"/api/v1/volumes/{volume}")["operation_mode"] == "oma"
