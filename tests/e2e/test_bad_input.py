"""Wrong input is refused with cause, consequence and remedy, and changes nothing. A name with more than the cloud's 63
characters is refused in tests/unit/control: the lab cannot have one, because its sockets are named after machines."""

import contextlib
import json
import urllib.error
import urllib.request

import pytest

from installation import wait_for

VM = "off-one"
UNSYNCED = "beacon-uefi"
UNKNOWN_NETWORK = "00000000-0000-4000-8000-000000000000"


def refused(site, *arguments):
    """The error object of a command that must fail, and its exit code."""
    completed = site.run_cli("-o", "json", *arguments)
    assert completed.returncode != 0, f"accepted: {completed.stdout}"
    error = json.loads(completed.stderr.strip().splitlines()[-1])
    assert error["message"] and error["remedy"], f"no cause or no remedy: {error}"
    return error, completed.returncode


def blockers(site, *arguments):
    """Codes of the checks that forbid a failover; each has a remedy."""
    completed = site.run_cli("-o", "json", "failover", "check", *arguments)
    assert completed.returncode == 5, completed.stdout + completed.stderr
    found = [c for c in json.loads(completed.stdout)["checks"] if c["severity"] == "blocker"]
    assert found and all(c["text"] and c["remedy"] for c in found)
    return {c["code"] for c in found}


def manage(site, name):
    if name not in {m["name"] for m in site.cli_json("vm", "list")["vms"]}:
        site.cli("vm", "add", name)


def world(site):
    """Everything that a refused command must leave as it is."""
    cloud = site.control("cloudstack")
    objects = {kind: [(o["id"], o["state"], o.get("virtualmachineid")) for o in cloud[kind]] for kind in ("volumes", "snapshots", "vms")}
    machines = [{k: v for k, v in m.items() if k != "job"} for m in site.cli_json("vm", "list")["vms"]]
    return {"machines": machines, "ledger": site.api("GET", "/api/v1/ledger")[1]["entries"], **objects,
            "jobs": [j["job_id"] for j in site.api("GET", "/api/v1/jobs")[1]["jobs"]],
            "source": [(m["name"], m["power"], m.get("snapshots")) for m in site.control("vcenter")["machines"]]}


@contextlib.contextmanager
def nothing_changes(site):
    before = world(site)
    yield
    assert world(site) == before


@pytest.fixture(scope="module")
def ready(quick_site):
    """The installation, with 'off-one' ready and 'beacon-uefi' without a recovery point."""
    manage(quick_site, VM)
    manage(quick_site, UNSYNCED)
    quick_site.cli("sync", "start", VM, "--wait")
    return quick_site


# --- vCenter and machines ------------------------------------------------------------------------------------------------


def vcenter_arguments(site, **changed):
    vcenter = {**site.lab["vcenter"], **changed}
    return ("vcenter", "add", "--name", changed.get("name", "second"), "--url", vcenter["url"], "--user", vcenter["username"],
            "--password-file", str(vcenter["password_file"]), "--certificate-sha256", vcenter["certificate_sha256"])


def vcenters(site):
    return [c["name"] for c in site.cli_json("vcenter", "list")["credentials"]]


def test_wrong_password(quick_site):
    wrong = quick_site.state / "wrong-password"
    wrong.write_text("not it")
    error, _ = refused(quick_site, *vcenter_arguments(quick_site, password_file=wrong))
    assert error["code"] == "unauthenticated"
    assert "password" in (error["message"] + error["remedy"]).lower()
    assert vcenters(quick_site) == ["lab"]


def test_wrong_certificate(quick_site):
    other = ":".join(["AB"] * 32)
    error, _ = refused(quick_site, *vcenter_arguments(quick_site, certificate_sha256=other))
    assert "certificate" in error["message"].lower()
    assert vcenters(quick_site) == ["lab"]


def test_unknown_machine(quick_site):
    error, code = refused(quick_site, "vm", "add", "nobody")
    assert code == 3 and "nobody" in error["message"]
    _, code = refused(quick_site, "sync", "start", "nobody")
    assert code == 3


def test_machine_that_is_managed_already(ready):
    with nothing_changes(ready):
        error, code = refused(ready, "vm", "add", VM)
        assert code == 5 and "managed" in error["message"]


def test_machine_that_cannot_be_replicated(quick_site):
    error, code = refused(quick_site, "vm", "add", "refused")
    assert code == 5 and error["message"]


def test_requests_without_a_valid_token(quick_site):
    for path in ("/api/v1/vms", "/api/v1/nothing"):
        request = urllib.request.Request(quick_site.url + path, headers={"Authorization": "Bearer wrong"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        assert caught.value.code == 401


# --- failovers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [
    ("failover", "check", "nobody"), ("failover", "test", "nobody"), ("failover", "live", "nobody", "--confirm", "nobody"),
    ("failover", "finish", "nobody", "--verdict", "worked"), ("failover", "extend", "nobody", "--by", "1h"),
    ("failover", "commit", "nobody", "--confirm", "nobody"), ("failover", "back", "nobody", "--confirm", "nobody"),
    ("cleanup", "plan", "nobody"), ("cleanup", "run", "nobody"), ("vm", "set", "nobody", "--boot-disk", "disk-2000")],
    ids=lambda command: " ".join(command[:2]))
def test_no_such_machine(ready, command):
    with nothing_changes(ready):
        error, code = refused(ready, *command)
        assert code == 3 and "nobody" in error["message"]


@pytest.mark.parametrize("command", [("test", UNSYNCED), ("live", UNSYNCED, "--confirm", UNSYNCED)], ids=lambda command: command[0])
def test_no_recovery_point(ready, command):
    with nothing_changes(ready):
        error, code = refused(ready, "failover", *command)
        assert code == 5 and error["consequence"]
        assert "no_recovery_point" in blockers(ready, UNSYNCED)


@pytest.mark.parametrize("command", [("failover", "commit", VM, "--confirm", VM), ("failover", "back", VM, "--confirm", VM),
                                     ("failover", "finish", VM, "--verdict", "worked"), ("failover", "extend", VM, "--by", "1h"),
                                     ("cleanup", "run", VM)], ids=lambda command: " ".join(command[:2]))
def test_nothing_to_end(ready, command):
    """Commit without a failover, and its like."""
    with nothing_changes(ready):
        _, code = refused(ready, *command)
        assert code == 5


@pytest.mark.parametrize("options", [
    ("test", VM, "--rollback-after", "-5m"), ("test", VM, "--rollback-after", "0s"), ("test", VM, "--rollback-after", "400d"),
    ("test", VM, "--rollback-after", "soon"), ("test", VM, "--boot-limit", "0s"), ("test", VM, "--boot-limit", "-1s"),
    ("live", VM, "--confirm", VM, "--shutdown-limit", "-1s"), ("live", VM, "--confirm", VM, "--shutdown-limit", "99999d"),
    ("extend", VM, "--by", "-1h"), ("extend", VM, "--by", "0s"), ("finish", VM, "--verdict", "perhaps"),
    ("test", VM, "--probe", "smtp"), ("test", VM, "--probe", "tcp:0"), ("test", VM, "--probe", "tcp:70000"),
    ("test", VM, "--probe", "http:port/")], ids=lambda options: "-".join(options[-2:]))
def test_nonsense(ready, options):
    """Negative and absurd durations, probes that mean nothing."""
    with nothing_changes(ready):
        _, code = refused(ready, "failover", *options)
        assert code == 2


@pytest.mark.parametrize("body", [{"context_id": VM, "test_duration_s": -1}, {"context_id": VM, "test_duration_s": 10**9},
                                  {"context_id": VM, "probe": "http:port/"}, {"context_id": VM, "boot_limit_s": "long"},
                                  {"context_id": 17}, {}, [1]], ids=json.dumps)
def test_bad_failover_requests(ready, body):
    with nothing_changes(ready):
        status, problem = ready.api("POST", "/api/v1/failover/test", body)
        assert status in (400, 422), problem


def test_wrong_confirmation(ready):
    """The name must be typed as it is."""
    with nothing_changes(ready):
        refused(ready, "failover", "live", VM, "--confirm", "off-two")


def test_wrong_network(ready):
    with nothing_changes(ready):
        assert "unknown_network" in blockers(ready, VM, "--network", UNKNOWN_NETWORK, "--skip-inspection")
    before = world(ready)
    completed = ready.run_cli("failover", "test", VM, "--network", UNKNOWN_NETWORK, "--skip-inspection", "--wait")
    assert completed.returncode in (5, 6), completed.stdout
    after = world(ready)
    assert {**after, "jobs": None, "machines": None} == {**before, "jobs": None, "machines": None}
    assert ready.cli_json("vm", "show", VM)["status"] == "ready_for_failover"


def test_wrong_boot_disk(ready):
    with nothing_changes(ready):
        _, code = refused(ready, "vm", "set", VM, "--boot-disk", "disk-9999")
        assert code in (2, 3)


def test_copy_that_is_known_to_differ(ready):
    """Refused, unless somebody takes the responsibility, with his name in the log; and that can be taken back, too."""
    machine = UNSYNCED
    ready.cli("sync", "start", machine, "--wait")
    volume = ready.api("GET", f"/api/v1/vms/{machine}/volumes")[1]["volumes"][0]
    with open(volume["device_path"], "r+b") as device:
        device.seek(100 << 20)
        device.write(b"spoilt" * 1000)
    assert ready.run_cli("sync", "verify", machine, "--wait").returncode == 10
    with nothing_changes(ready):
        assert "copy_differs" in blockers(ready, machine, "--skip-inspection")
    failed = ready.run_cli("failover", "test", machine, "--skip-inspection", "--wait")
    assert failed.returncode in (5, 6) and "--accept-unverified" in failed.stderr, failed.stderr

    ready.fault("cloudstack", "fail_command", command="createSnapshot", code=431, nth=2, times=5)
    job = ready.cli_json("failover", "test", machine, "--skip-inspection", "--accept-unverified", "--rollback-on-failure")["job_id"]
    ready.run_cli("job", "wait", job)
    ready.clear_faults()
    owner = ready.api("GET", f"/api/v1/jobs/{job}")[1]["owner"]
    assert f"--accept-unverified by {owner}" in ready.cli("job", "logs", job)
    wait_for("the rollback", lambda: ready.cli_json("vm", "show", machine)["status"] == "ready_for_failover", 60)
    assert ready.run_cli("sync", "start", machine, "--compare", "--wait").returncode == 7
    ready.cli("sync", "verify", machine, "--wait")
