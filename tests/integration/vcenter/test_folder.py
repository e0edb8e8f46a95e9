"""Downloads from the datastore: who may, what is frozen, ranges."""

import os
import urllib.parse

import pytest
from pyVmomi import vim

from labvcenter import GRAIN, disks, find_vm, snapshot, wait


def test_cookie_is_needed(lab, cookie):
    assert lab.download("off-one", 2000, None)[0].status == 401
    assert lab.download("off-one", 2000, 'vmware_soap_session="no-such"')[0].status == 401
    assert lab.download("off-one", 2000, cookie.replace('"', ""), "HEAD")[0].status == 401
    assert lab.download("off-one", 2000, cookie, "HEAD")[0].status == 200


def test_head_and_ranges(lab, vm, cookie):
    data = os.urandom(3 * GRAIN)
    lab.write("off-one", 2001, 1 << 20, data)
    capacity = disks(vm)[2001].capacityInBytes
    head, _ = lab.download("off-one", 2001, cookie, "HEAD")
    assert head.getheader("Accept-Ranges") == "bytes" and int(head.getheader("Content-Length")) == capacity
    response, got = lab.download("off-one", 2001, cookie, extra={"Range": "bytes=%d-%d" % (1 << 20, (1 << 20) + len(data) - 1)})
    assert response.status == 206 and got == data
    assert response.getheader("Content-Range") == "bytes %d-%d/%d" % (1 << 20, (1 << 20) + len(data) - 1, capacity)
    response, got = lab.download("off-one", 2001, cookie, extra={"Range": "bytes=%d-" % (capacity - 512)})
    assert response.status == 206 and len(got) == 512
    assert lab.download("off-one", 2001, cookie, extra={"Range": "bytes=%d-" % capacity})[0].status == 416
    response, got = lab.download("off-one", 2001, cookie)
    assert response.status == 200 and len(got) == capacity and got[1 << 20:(1 << 20) + len(data)] == data


def part(lab, machine, disk, cookie, offset, length):
    response, data = lab.download(machine, disk, cookie, extra={"Range": "bytes=%d-%d" % (offset, offset + length - 1)})
    return response.status, data


def test_running_machine_without_snapshot_is_locked(lab, si, cookie):
    vm = find_vm(si, lab, "beacon")
    response, text = lab.download("beacon", 2000, cookie)
    assert response.status == 500 and b"locked" in text
    lab.write("beacon", 2001, 0, b"A" * 512)
    snap = snapshot(vm)
    try:
        lab.write("beacon", 2001, 0, b"B" * 512)
        assert part(lab, "beacon", 2001, cookie, 0, 512) == (206, b"A" * 512)
    finally:
        wait(snap.RemoveSnapshot_Task(False, True))
    assert lab.download("beacon", 2001, cookie)[0].status == 500


def test_powered_off_machine_serves_its_disk(lab, vm, cookie):
    lab.write("off-one", 2000, 0, b"C" * 512)
    assert part(lab, "off-one", 2000, cookie, 0, 512) == (206, b"C" * 512)
    wait(vm.PowerOnVM_Task())
    assert part(lab, "off-one", 2000, cookie, 0, 512)[0] == 500


def test_base_file_is_older_than_a_snapshot_over_a_foreign_one(lab, vm, cookie):
    lab.write("off-one", 2000, 0, b"old" + b"\0" * 509)
    lab.control("POST", "/op", {"op": "snapshot", "machine": "off-one", "name": "nightly backup"})
    lab.write("off-one", 2000, 0, b"new" + b"\0" * 509)
    snap = snapshot(vm)
    assert disks(snap)[2000].backing.fileName.endswith("-000001.vmdk")
    assert part(lab, "off-one", 2000, cookie, 0, 3) == (206, b"old"), "the base link was frozen first"
    delta = lab.machine("off-one")["disks"][0]["folder_url"].replace("-flat.vmdk", "-000001-delta.vmdk")
    assert lab.download("", 0, cookie, url=delta)[0].status == 500


def test_datacenter_and_datastore_must_fit(lab, cookie):
    url = urllib.parse.urlsplit(lab.machine("off-one")["disks"][0]["folder_url"])
    for query in ({"dcPath": "Lab-DC", "dsName": "nfs bulk"}, {"dcPath": "Europe/Lab-DC", "dsName": "vmfs-fast"},
                  {"dcPath": "Europe/Lab-DC", "dsName": "none"}, {}):
        changed = url._replace(query=urllib.parse.urlencode(query)).geturl()
        assert lab.download("", 0, cookie, url=changed)[0].status == 404


def test_nothing_outside_the_datastore_and_no_uploads(lab, cookie):
    url = urllib.parse.urlsplit(lab.machine("off-one")["disks"][0]["folder_url"])
    outside = url._replace(path="/folder/..%2f..%2fpassword").geturl()
    assert lab.download("", 0, cookie, url=outside)[0].status in (400, 404)
    assert lab.download("off-one", 2000, cookie, "PUT")[0].status == 405
    descriptor = url._replace(path=url.path.replace("-flat", "")).geturl()
    response, text = lab.download("", 0, cookie, url=descriptor)
    assert response.status == 200 and b"Disk DescriptorFile" in text


def test_download_does_not_outlive_the_session(lab, si, cookie):
    si.content.sessionManager.Logout()
    assert lab.download("off-one", 2000, cookie, "HEAD")[0].status == 401


@pytest.mark.parametrize("status", [401, 500, 503])
def test_injected_status_is_used_up(lab, cookie, status):
    lab.fault("folder_status", status=status, times=2)
    assert [lab.download("off-one", 2000, cookie, "HEAD")[0].status for _ in range(3)] == [status, status, 200]


def test_connection_drops_in_the_body(lab, cookie):
    lab.fault("drop_connection", method="folder", after_bytes=100000)
    connection = lab.raw()
    url = urllib.parse.urlsplit(lab.machine("off-one")["disks"][0]["folder_url"])
    connection.request("GET", url.path + "?" + url.query, headers={"Cookie": cookie, "Range": "bytes=0-1048575"})
    response = connection.getresponse()
    received = b""
    with pytest.raises(Exception) as caught:
        while True:
            piece = response.read(4096)
            if not piece:
                raise EOFError
            received += piece
    connection.close()
    assert not isinstance(caught.value, AssertionError) and len(received) <= 100000
    assert part(lab, "off-one", 2000, cookie, 0, 10)[0] == 206
