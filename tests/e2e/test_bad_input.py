"""Wrong input is refused with cause, consequence and remedy, and changes nothing."""

import json

import pytest


def refused(site, *arguments):
    """The error object of a command that must fail, and its exit code."""
    completed = site.run_cli("-o", "json", *arguments)
    assert completed.returncode != 0, f"accepted: {completed.stdout}"
    error = json.loads(completed.stderr.strip().splitlines()[-1])
    assert error["message"] and error["remedy"], f"no cause or no remedy: {error}"
    return error, completed.returncode


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


def test_machine_that_is_managed_already(quick_site):
    managed = {m["name"] for m in quick_site.cli_json("vm", "list")["vms"]}
    if "off-one" not in managed:
        quick_site.cli("vm", "add", "off-one")
    before = quick_site.cli_json("vm", "list")["vms"]
    error, code = refused(quick_site, "vm", "add", "off-one")
    assert code == 5 and "managed" in error["message"]
    assert quick_site.cli_json("vm", "list")["vms"] == before


def test_machine_that_cannot_be_replicated(quick_site):
    error, code = refused(quick_site, "vm", "add", "refused")
    assert code == 5 and error["message"]


def test_failover_without_recovery_point(quick_site):
    if "off-one" not in {m["name"] for m in quick_site.cli_json("vm", "list")["vms"]}:
        quick_site.cli("vm", "add", "off-one")
    error, code = refused(quick_site, "failover", "test", "off-one")
    assert code == 5 and error["consequence"]


@pytest.mark.parametrize("body", [{"context_id": "off-one", "test_duration_s": -1},
                                  {"context_id": "off-one", "test_duration_s": 10**9},
                                  {"context_id": "off-one", "probe": "http:port/"},
                                  {"context_id": 17}, {}, [1]])
def test_bad_failover_requests(quick_site, body):
    status, problem = quick_site.api("POST", "/api/v1/failover/test", body)
    assert status in (400, 422), problem


def test_requests_without_a_valid_token(quick_site):
    import urllib.error
    import urllib.request

    for path in ("/api/v1/vms", "/api/v1/nothing"):
        request = urllib.request.Request(quick_site.url + path, headers={"Authorization": "Bearer wrong"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=10)
        assert caught.value.code == 401
