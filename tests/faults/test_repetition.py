"""Test failovers again and again: each rollback brings back exactly what was there, and replication goes on with increments."""

import os

import pytest

from cloud_api import CloudApi
from matrix.kinds import KINDS
from matrix.subject import Broken, finish, make_subject

ROUNDS = 10 if os.environ.get("MK_FAULTS") == "all" else 3


@pytest.fixture(scope="module")
def subject():
    subject = make_subject()
    try:
        yield subject
    finally:
        subject.end()


def digests(subject):
    """Of every volume, by the oracle, and as the last recovery point has them."""
    volumes = subject.get(f"/api/v1/vms/{subject.context}/volumes")["volumes"]
    seen = {v["disk_id"]: subject.site.oracle("digest", v["device_path"])[1] for v in volumes}
    return seen, {d["disk_id"]: d["digest"] for d in subject.points()[0]["disks"]}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_failover_and_rollback_in_a_row(subject, number):
    held, stored = digests(subject)
    way = ("test-on-clones", "rollback-on-clones") if number % 3 == 2 else ("test-in-place", "rollback-in-place")
    for kind in way:
        subject.carry_out(KINDS[kind])
    after, recorded = digests(subject)
    assert after == held
    assert recorded == stored
    subject.next_sync_is_incremental()


def test_the_judge_sees_what_is_wrong(subject):
    """What every case of the matrix is judged by: a copy with one wrong byte, a volume too many."""
    subject.stands_at("ready")
    device = subject.get(f"/api/v1/vms/{subject.context}/volumes")["volumes"][0]["device_path"]
    with open(device, "r+b") as copy:
        copy.seek(5 << 20)
        before = copy.read(1)
        copy.seek(5 << 20)
        copy.write(bytes([before[0] ^ 1]))
        copy.flush()
        with pytest.raises(Broken, match="not the recovery point"):
            subject.stands_at("ready")
        copy.seek(5 << 20)
        copy.write(before)
    cloud = CloudApi(subject.site.lab["cloudstack"])
    stray = cloud.call("createVolume", name="stray", size=1, zoneid=subject.site.lab["cloudstack"]["zone_id"],
                       diskofferingid=subject.site.lab["cloudstack"]["disk_offering_id"])
    finish(cloud, stray)
    with pytest.raises(Broken, match="beyond the baseline"):
        subject.stands_at("ready")
    finish(cloud, cloud.call("destroyVolume", id=stray["id"], expunge="true"))
    subject.stands_at("ready")
