"""Faults on demand: each does what its description says, and is gone when used up or cleared."""

import http.client
import threading

import pytest
from pyVmomi import vim, vmodl

from labvcenter import UnixConnection, disks, snapshot, wait


def test_every_fault_is_described(lab):
    described = {f["name"]: f for f in lab.control("GET", "/faults")["faults"]}
    assert {"session_expire", "task_in_progress", "slow_tasks", "cbt_reset", "quiesce_fault", "drop_connection",
            "folder_status", "query_fault", "tools_not_running"} <= set(described)
    assert all(f["about"] for f in described.values())


def test_bad_requests_are_explained(lab):
    for body, word in (({"name": "no_such"}, "no_such"), ({"name": "slow_tasks", "colour": 1}, "colour"),
                       ({"name": "query_fault", "times": "many"}, "times"), ({"name": "cbt_reset"}, "machine"),
                       ({"name": "slow_tasks", "machine": "none"}, "none")):
        assert word in lab.control("POST", "/fault", body, expect=400)["error"]
    assert lab.control("GET", "/faults")["armed"] == []
    assert "machine" in lab.control("POST", "/op", {"op": "write"}, expect=400)["error"]
    outside = {"op": "write", "machine": "off-one", "disk": 2001, "offset": 1 << 40, "random": True, "length": 512}
    assert "outside" in lab.control("POST", "/op", outside, expect=400)["error"]


def test_task_in_progress_as_task_and_as_fault(lab, vm):
    lab.fault("task_in_progress", machine="off-one", method="CreateSnapshot_Task", times="2")
    for _ in range(2):
        with pytest.raises(vim.fault.TaskInProgress):
            snapshot(vm)
    snapshot(vm)
    lab.fault("task_in_progress", **{"as": "fault"})
    with pytest.raises(vim.fault.TaskInProgress):
        vm.RemoveAllSnapshots_Task()
    wait(vm.RemoveAllSnapshots_Task())


def test_task_fails_with_a_chosen_fault(lab, vm):
    snap = snapshot(vm)
    lab.fault("task_fail", method="RemoveSnapshot_Task", fault="FileLocked")
    with pytest.raises(vim.fault.FileLocked):
        wait(snap.RemoveSnapshot_Task(False, True))
    assert vm.snapshot is not None
    wait(snap.RemoveSnapshot_Task(False, True))


def test_vanished_task(lab, vm):
    lab.fault("task_vanish", method="CreateSnapshot_Task")
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        snapshot(vm)
    assert vm.snapshot.rootSnapshotList[0].name == "test", "the snapshot was made all the same"


def test_quiesce_fault_with_and_without_debris(lab, vm):
    lab.fault("quiesce_fault", machine="off-one")
    with pytest.raises(vim.fault.FilesystemQuiesceFault):
        snapshot(vm, quiesce=True)
    assert vm.snapshot is None
    lab.fault("quiesce_fault", kind="application", debris=True)
    with pytest.raises(vim.fault.ApplicationQuiesceFault):
        snapshot(vm, "debris", quiesce=True)
    assert vm.snapshot.rootSnapshotList[0].name == "debris"


def test_consolidation_is_left_over(lab, vm):
    snap = snapshot(vm)
    lab.fault("leave_consolidation", machine="off-one")
    wait(snap.RemoveSnapshot_Task(False, True))
    assert vm.snapshot is None and vm.runtime.consolidationNeeded
    wait(vm.ConsolidateVMDisks_Task())
    assert not vm.runtime.consolidationNeeded


def test_query_fault(lab, tracked):
    snap = snapshot(tracked)
    change_id = disks(snap)[2000].backing.changeId
    lab.fault("query_fault", machine="off-one", disk=2000, fault="InvalidArgument", property="changeId", nth=2)
    tracked.QueryChangedDiskAreas(snap, 2000, 0, change_id)
    with pytest.raises(vmodl.fault.InvalidArgument) as caught:
        tracked.QueryChangedDiskAreas(snap, 2000, 0, change_id)
    assert caught.value.invalidProperty == "changeId"
    lab.fault("query_fault")
    with pytest.raises(vim.fault.FileFault):
        tracked.QueryChangedDiskAreas(snap, 2001, 0, "*")
    tracked.QueryChangedDiskAreas(snap, 2001, 0, "*")


def test_method_fault(lab, si):
    lab.fault("method_fault", method="CurrentTime", fault="NoPermission", privilege="System.View")
    with pytest.raises(vim.fault.NoPermission) as caught:
        si.CurrentTime()
    assert caught.value.privilegeId == "System.View"
    si.CurrentTime()


CREATE = ('<CreateSnapshot_Task xmlns="urn:vim25"><_this type="VirtualMachine">%s</_this><name>lost</name><memory>false</memory>'
          '<quiesce>false</quiesce></CreateSnapshot_Task>')


def test_answer_lost_after_the_call_was_executed(lab, vm, cookie):
    lab.fault("drop_connection", method="CreateSnapshot_Task", when="after")
    with pytest.raises((http.client.HTTPException, OSError)):
        lab.soap(CREATE % vm._moId, cookie)
    wait(vm.recentTask[-1])
    assert vm.snapshot.rootSnapshotList[0].name == "lost"


def test_connection_dropped_before_the_nth_call(lab, vm, cookie):
    lab.fault("drop_connection", method="CreateSnapshot_Task", nth=2)
    assert lab.soap(CREATE % vm._moId, cookie)[0] == 200
    wait(vm.recentTask[-1])
    with pytest.raises((http.client.HTTPException, OSError)):
        lab.soap(CREATE % vm._moId, cookie)
    assert len(lab.state("off-one")["snapshots"]) == 1


def test_bare_http_status(lab, cookie):
    lab.fault("http_status", status=503)
    body = '<CurrentTime xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this></CurrentTime>'
    status, text, _ = lab.soap(body, cookie)
    assert status == 503 and "Envelope" not in text
    assert lab.soap(body, cookie)[0] == 200


def test_control_channel_answers_wrong_methods(lab):
    connection = UnixConnection(lab.endpoint["control_socket"])
    connection.request("GET", "/op")
    assert connection.getresponse().status == 405
    connection.close()


def test_call_held_before_and_after_its_effect(lab, vm, cookie):
    for number, at in enumerate(("request", "answer")):
        lab.fault("hold", method="CreateSnapshot_Task", at=at)
        client = threading.Thread(target=lab.soap, args=(CREATE % vm._moId, cookie))
        client.start()
        [held] = lab.control("POST", "/op", {"op": "hold_wait", "ms": 20000})["held"]
        assert (held["command"], held["at"]) == ("CreateSnapshot_Task", at)
        if at == "answer":
            wait(vm.recentTask[-1])
        assert len(lab.state("off-one").get("snapshots") or []) == 2 * number
        lab.control("POST", "/op", {"op": "hold_release"})
        client.join()
        wait(vm.recentTask[-1])
    assert [c["command"] for c in lab.control("POST", "/op", {"op": "commands", "changing": True})["commands"]].count(
        "CreateSnapshot_Task") >= 2
