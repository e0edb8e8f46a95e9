"""Envelopes, paging, discovery, and every command's answer against the API metadata."""

import json
import pathlib

import pytest

from cloudlab import ROOT, failed, refused
from test_cloudstack_signature import plain, send, signed

METADATA = {c["name"]: c for c in json.loads((ROOT / "lab" / "cloudstack" / "apis.json").read_text())["commands"]}
NOT_PLAYED = {"registerTemplate", "deleteTemplate", "changeOfferingForVolume", "migrateVolume", "createVMSnapshot",
              "revertToVMSnapshot", "listVolumesForImport", "importVolume", "unmanageVolume", "listUnmanagedInstances",
              "importUnmanagedInstance", "listVmsForImport", "importVm"}
ADMIN_ONLY = {"getUser", "listClusters", "listConfigurations", "listHosts", "listHypervisorCapabilities", "listStoragePools"}


def check(path, fields, thing):
    """Every field of an answer must be in the metadata; nothing is null."""
    known = {field["name"]: field for field in fields}
    for name, value in thing.items():
        assert name in known, f"{path}.{name} is not in the metadata"
        assert value is not None, f"{path}.{name} is null"
        for element in value if isinstance(value, list) and known[name].get("response") else []:
            check(f"{path}.{name}", known[name]["response"], element)


def check_answer(name, body):
    meta = METADATA[name]
    if meta.get("list"):
        assert set(body) <= {"count", meta["object"]}
        for element in body.get(meta["object"], []):
            check(name, meta["response"], element)
    else:
        check(name, meta["response"], body[meta["object"]] if meta["object"] else body)


@pytest.fixture(scope="module")
def furnished(shared):
    """A cloud in which every list has something to show, also for the tenant."""
    volume = shared.ready_volume(name="furniture")
    shared.snapshot(volume, name="furniture")
    vm = shared.deploy("furniture", networkids=shared.network(False))["id"]
    shared.op("vm_snapshot", vm=vm, snapshot="furniture")
    shared.do("createTags", resourceids=volume, resourcetype="Volume", tags=[{"key": "migratekit.job", "value": "1"}])
    mine = shared.do("createVolume", shared.user, name="tenants", size=1, zoneid=shared.zone,
                     diskofferingid=shared.endpoint["disk_offering_id"])["volume"]["id"]
    shared.do("createTags", shared.user, resourceids=mine, resourcetype="Volume", tags=[{"key": "k", "value": "v"}])
    return {"vm": vm, "volume": volume}


def needed(cloud, furnished, name):
    return {
        "listTemplates": {"templatefilter": "executable"}, "listNics": {"virtualmachineid": furnished["vm"]},
        "getUser": {"userapikey": cloud.key},
        "queryAsyncJobResult": {"jobid": next(j["jobid"] for j in cloud.inventory()["jobs"] if j["command"] == "createSnapshot")},
    }.get(name, {})


READING = sorted(n for n in METADATA if n.startswith(("list", "get", "query")) and n not in NOT_PLAYED)
MAY_BE_EMPTY = {"listProjects", "listSecurityGroups"}


@pytest.mark.parametrize("name", READING)
def test_answers_stay_inside_the_metadata_for_the_administrator(shared, furnished, name):
    body = getattr(shared.api, name)(**needed(shared, furnished, name))
    check_answer(name, body)
    if METADATA[name].get("list") and name not in MAY_BE_EMPTY:
        assert body["count"] == len(body[METADATA[name]["object"]]) > 0


@pytest.mark.parametrize("name", [n for n in READING if n not in ADMIN_ONLY | {"listNics", "queryAsyncJobResult"}])
def test_answers_stay_inside_the_metadata_for_the_tenant(shared, furnished, name):
    check_answer(name, getattr(shared.user, name)(**needed(shared, furnished, name)))


@pytest.mark.parametrize("name", sorted(ADMIN_ONLY))
def test_what_only_the_administrator_may(shared, furnished, name):
    refused(401, getattr(shared.user, name), **needed(shared, furnished, name))


def test_job_results_are_inside_the_metadata(shared, furnished):
    jobs = shared.api.listAsyncJobs(listall="true")["asyncjobs"]
    done = [job for job in jobs if job["jobstatus"] == 1]
    assert done
    for job in done:
        command = job["cmd"].rsplit(".", 1)[1][:-3]
        name = command[0].lower() + command[1:]
        check_answer(name, job["jobresult"])


def test_every_command_is_played_or_refused_as_unsupported(shared):
    listed = {api["name"] for api in shared.api.listApis()["api"]}
    assert listed == set(METADATA) - NOT_PLAYED - {n for n in METADATA if METADATA[n].get("added", "") > "4.20.1"}
    for name in sorted(NOT_PLAYED):
        refused(432, getattr(shared.api, name))
    mine = {api["name"] for api in shared.user.listApis()["api"]}
    assert mine == listed - ADMIN_ONLY


def test_listapis_tells_parameters_and_fields(shared):
    [api] = shared.api.listApis(name="createVolume")["api"]
    assert api["isasync"] is True
    names = {p["name"] for p in api["params"]}
    assert {"diskofferingid", "size"} <= names and "storageid" not in names  # that one came with 4.22.1
    assert "state" in {f["name"] for f in api["response"]}
    refused(431, shared.api.listApis, name="nothing")


@pytest.mark.parametrize("name", sorted(set(METADATA) - NOT_PLAYED))
def test_unknown_and_missing_parameters(shared, furnished, name):
    command = getattr(shared.api, name)
    required = [p["name"] for p in METADATA[name]["params"] if p["required"]]
    assert "unknown parameter nonsense" in refused(431, command, nonsense="x")
    if required:
        text = refused(431, command)
        assert text.startswith(f"Unable to execute API command {name.lower()} due to missing parameter ")
        assert text.rsplit(" ", 1)[1] in required


UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("name, parameter", [
    (name, p["name"]) for name in sorted(set(METADATA) - NOT_PLAYED) for p in METADATA[name]["params"]
    if p["type"] == "uuid" and not p.get("added", "") > "4.20.1"])
def test_unknown_ids(shared, furnished, name, parameter):
    values = {p["name"]: UNKNOWN for p in METADATA[name]["params"] if p["required"] and p["type"] == "uuid"}
    fillers = {p["name"]: "x" for p in METADATA[name]["params"] if p["required"] and p["type"] == "string"}
    text = refused(431, getattr(shared.api, name), **{**fillers, **values, parameter: UNKNOWN})
    assert "due to invalid value. Invalid parameter" in text


def test_paging(shared):
    made = [shared.volume(name=f"page-{n}") for n in range(5)]
    page = lambda number, size: shared.api.listVolumes(keyword="page-", page=number, pagesize=size)
    seen = []
    for number in (1, 2, 3):
        body = page(number, 2)
        assert body["count"] == 5
        seen += [v["id"] for v in body["volume"]]
    assert seen == made
    assert page(4, 2) == {"count": 5}
    assert shared.api.listVolumes(keyword="no such name") == {}
    assert [v["id"] for v in shared.api.listVolumes(keyword="page-", fetch_list=True)] == made
    for wrong in ({"pagesize": 2}, {"page": 1, "pagesize": 501}, {"page": 0, "pagesize": 1}, {"page": 1, "pagesize": -1}):
        refused(431, shared.api.listVolumes, **wrong)


def test_page_alone(shared):
    # By hand, because python3-cs adds a page size by itself.
    status, _ = send(shared, signed(shared, {**plain(shared), "command": "listVolumes", "page": "1"}))
    assert status == 431


def test_the_default_page_size_limits_an_unpaged_list(cloud):
    cloud.set("default.page.size", 3)
    body = cloud.api.listOsTypes()
    assert body["count"] > 3 and len(body["ostype"]) == 3
    refused(431, cloud.api.listOsTypes, page=1, pagesize=4)
    cloud.set("default.page.size", -1)
    assert len(cloud.api.listOsTypes(page=1, pagesize=-1)["ostype"]) == body["count"]


def test_filters(cloud, furnished):
    volumes = lambda **f: {v["name"] for v in cloud.api.listVolumes(listall="true", **f).get("volume", [])}
    assert "furniture" in volumes(type="DATADISK") and "furniture" not in volumes(type="ROOT")
    assert volumes(ids=furnished["volume"]) == {"furniture"}
    assert volumes(tags=[{"key": "migratekit.job", "value": "1"}]) == {"furniture"}
    assert volumes(tags=[{"key": "migratekit.job", "value": "2"}]) == set()
    assert "furniture" in volumes(state="Ready") and "furniture" not in volumes(state="Allocated")
    assert volumes(projectid="-1") and not cloud.api.listProjects(listall="true")
    names = lambda **f: [v["name"] for v in cloud.api.listVirtualMachines(**f).get("virtualmachine", [])]
    assert names(state="Running") == ["migratekit-oma"]
    assert names(networkid=cloud.network(True)) == []


def test_tags(cloud, furnished):
    tag = [{"key": "a", "value": "1"}]
    vm = furnished["vm"]
    cloud.do("createTags", resourceids=vm, resourcetype="UserVm", tags=tag)
    failed(431, cloud.do, "createTags", resourceids=vm, resourcetype="UserVm", tags=tag)
    failed(431, cloud.do, "createTags", resourceids=UNKNOWN, resourcetype="UserVm", tags=tag)
    shown = cloud.api.listTags(resourceid=vm, resourcetype="UserVm")["tag"]
    assert [(t["key"], t["value"]) for t in shown] == [("a", "1")]
    assert [t["key"] for t in cloud.machine(vm)["tags"]] == ["a"]
    cloud.do("deleteTags", resourceids=vm, resourcetype="UserVm", tags=[{"key": "a"}])
    assert cloud.api.listTags(resourceid=vm) == {}


def test_capabilities_and_configurations(cloud):
    shown = cloud.api.listCapabilities()["capability"]
    assert shown["cloudstackversion"].startswith("4.20.1")
    assert "apilimitmax" not in shown
    cloud.set("api.throttling.enabled", "true")
    assert cloud.api.listCapabilities()["capability"]["apilimitmax"] == 25
    cloud.set("api.throttling.enabled", "false")
    values = {c["name"]: c["value"] for c in cloud.api.listConfigurations()["configuration"]}
    assert values["kvm.snapshot.enabled"] == "false" and values["snapshot.backup.to.secondary"] == "true"
    assert not any(name.startswith("lab.") for name in values)


def test_events(cloud, furnished):
    types = {e["type"] for e in cloud.api.listEvents(listall="true")["event"]}
    assert {"CREATEVOLUME", "CREATESNAPSHOT"} <= types


def test_secrets_are_in_private_files_only(cloud):
    for name in ("secret.key", "user-secret.key", "endpoint.json", "state.json"):
        assert (cloud.state / name).stat().st_mode & 0o077 == 0
    assert cloud.secret not in (cloud.state / "endpoint.json").read_text()
    log = (cloud.state / "test.log").read_text()
    assert cloud.secret not in log and "signature=" not in log
    assert pathlib.Path(cloud.endpoint["device_directory"]).is_dir()


@pytest.mark.parametrize("name, parameter", [
    ("deployVirtualMachine", "userdata"), ("createVolume", "maxiops"), ("createSnapshot", "asyncbackup"),
    ("listVolumes", "isencrypted"), ("listVirtualMachines", "haenable")])
def test_what_is_not_played_is_refused_and_not_ignored(shared, name, parameter):
    fillers = {
        "deployVirtualMachine": {"zoneid": shared.zone, "templateid": shared.endpoint["template_id"],
                                 "serviceofferingid": shared.endpoint["fixed_service_offering_id"]},
        "createSnapshot": {"volumeid": shared.volume()}}.get(name, {})
    kind = next(p["type"] for p in METADATA[name]["params"] if p["name"] == parameter)
    value = {"boolean": "true", "long": "1"}.get(kind, "x")
    assert "not available in this cloud" in refused(432, getattr(shared.api, name), **fillers, **{parameter: value})
