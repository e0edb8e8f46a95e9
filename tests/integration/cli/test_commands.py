"""What the commands send, show and answer, without a terminal."""

import json
import os
import stat

import pytest

from fakeoma import TOKEN, Problem, failover, job, step, sync_job


def error_of(result):
    """The error of -o json: one object on stderr, and nothing else there."""
    document = json.loads(result.stderr)
    assert document["type"] == "error"
    return document


def test_list_as_table(cli):
    result = cli("vm", "list")
    assert result.returncode == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATUS", "LAST", "SYNC", "DATA", "LAST", "TEST", "NEXT", "STEP"]
    assert lines[1].startswith("app-01  Ready ") and "512.0 MiB" in lines[1] and "never" in lines[1]


def test_list_filtered_in_every_format(cli):
    filtered = ("vm", "list", "--status", "failed,cleanup_required")
    assert cli(*filtered, "-o", "name").stdout == "erp-02\n"
    assert [vm["name"] for vm in json.loads(cli(*filtered, "-o", "json").stdout)["vms"]] == ["erp-02"]
    assert cli(*filtered, "-o", "csv").stdout.splitlines()[1].startswith("erp-02,Cleanup required,")
    assert "ctx-2" in cli(*filtered, "-o", "wide").stdout


def test_machine_that_has_the_name_of_a_verb(cli):
    result = cli("vm", "show", "list", "-o", "json")
    assert result.returncode == 3
    assert "'list'" in error_of(result)["message"]


def test_names_with_blanks_reach_the_api(cli, oma):
    oma.machines["a b/c"] = {**oma.machines["app-01"], "name": "a b"}
    assert cli("vm", "show", "a b").returncode == 0
    assert oma.requests[-1][1] == "/api/v1/vms/a%20b"


@pytest.mark.parametrize("status, code, expected", [
    (400, "invalid", 2), (404, "not_found", 3), (401, "unauthenticated", 4), (403, "forbidden", 4), (409, "conflict", 5),
    (502, "external", 1), (503, "unavailable", 1), (504, "timeout", 1), (507, "exhausted", 1), (500, "internal", 1)])
def test_exit_codes_of_problems(cli, oma, status, code, expected):
    oma.answers[("GET", "/api/v1/vms/app-01")] = Problem(status, code, "the cause", "the remedy")
    result = cli("vm", "show", "app-01")
    assert result.returncode == expected
    assert result.stdout == ""
    assert result.stderr == "Error: the cause.\n       Nothing was changed.\n       the remedy\n"
    result = cli("vm", "show", "app-01", "-o", "json")
    assert result.returncode == expected and result.stdout == ""
    assert error_of(result) == {"type": "error", "code": code, "message": "the cause", "consequence": "Nothing was changed.",
                                "remedy": "the remedy", "retry_safe": True}


def test_unreachable_oma(cli, oma):
    oma.stop()
    result = cli("vm", "list", "-o", "json")
    assert result.returncode == 9
    assert error_of(result)["code"] == "unavailable"


def test_wrong_token(cli):
    assert cli("vm", "list", MIGRATEKIT_TOKEN="wrong").returncode == 4


@pytest.mark.parametrize("arguments", [
    (), ("nonsense",), ("vm",), ("vm", "show"), ("vm", "show", "a", "b"), ("vm", "list", "--nonsense"), ("failover", "finish", "app-01"),
    ("vm", "list", "-o", "yml"), ("sync", "start", "app-01", "--wait", "--timeout", "soon"), ("failover", "test", "app-01", "--rollback-after", "never"),
    ("failover", "finish", "app-01", "--verdict", "great"), ("api", "TRACE", "/api/v1/vms"), ("failover", "extend", "app-01"), ("vm", "set", "app-01"), ("network", "map", "VM Network")])
def test_usage_errors(cli, oma, arguments):
    result = cli(*arguments)
    assert result.returncode == 2 and result.stdout == "" and result.stderr.startswith("Error: ")
    assert not [request for request in oma.requests if request[0] != "GET"]


def test_usage_error_as_json(cli):
    result = cli("vm", "show", "-o", "json")
    assert result.returncode == 2 and error_of(result)["code"] == "invalid"


def test_every_help_begins_with_an_example(cli):
    for arguments in ((), ("vm",), ("failover", "live")):
        result = cli(*arguments, "--help")
        assert result.returncode == 0 and result.stdout.startswith("Example: migratekit ")


def test_version(cli):
    assert cli("--version").stdout.startswith("migratekit ")
    assert "version" in json.loads(cli("version", "-o", "json").stdout)


def test_login_keeps_the_token_privately(cli, oma):
    bare = {"MIGRATEKIT_URL": "", "MIGRATEKIT_TOKEN": ""}
    (cli.folder / "token").write_text(TOKEN + "\n")
    result = cli("login", "--url", oma.url + "/", "--token-file", str(cli.folder / "token"), **bare)
    assert result.returncode == 0, result.stderr
    path = cli.folder / ".config" / "migratekit" / "config.toml"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert cli("vm", "list", "-o", "name", **bare).stdout == "app-01\nerp-02\n"
    shown = cli("config", "-o", "json", **bare).stdout
    assert json.loads(shown)["has_token"] and TOKEN not in shown
    assert cli("logout", **bare).returncode == 0
    assert cli("vm", "list", **bare).returncode == 4


def test_login_with_a_wrong_token_keeps_nothing(cli, oma):
    result = cli("login", "--url", oma.url, "--token-stdin", input="wrong\n", MIGRATEKIT_URL="", MIGRATEKIT_TOKEN="")
    assert result.returncode == 4
    assert not (cli.folder / ".config").exists()


def test_stored_token_goes_nowhere_else(cli, oma):
    cli("login", "--url", "http://127.0.0.1:" + oma.url.rsplit(":", 1)[1], "--token-stdin", input=TOKEN, MIGRATEKIT_TOKEN="")
    result = cli("vm", "list", MIGRATEKIT_URL="http://127.0.0.1:1", MIGRATEKIT_TOKEN="")
    assert result.returncode == 4


def test_login_over_https_wants_the_fingerprint(cli):
    result = cli("login", "--url", "https://127.0.0.1:1", "--token-stdin", input=TOKEN)
    assert result.returncode == 2 and "--certificate-sha256" in result.stderr


def test_vcenter_password_comes_from_a_file(cli, oma):
    oma.answers[("POST", "/api/v1/vmware-credentials")] = {"id": "c-1", "name": "leeds", "vcenter": "https://vc", "username": "u"}
    (cli.folder / "pw").write_text("s3cret\n")
    result = cli("vcenter", "add", "--name", "leeds", "--url", "https://vc", "--user", "u", "--password-file", str(cli.folder / "pw"),
                 "--certificate-sha256", "AB:CD")
    assert result.returncode == 0, result.stderr
    assert oma.requests[-1][2] == {"name": "leeds", "vcenter": "https://vc", "username": "u", "password": "s3cret", "certificate_sha256": "AB:CD"}
    assert "s3cret" not in result.stdout + result.stderr


def test_vcenter_remove_takes_a_unique_prefix(cli, oma):
    oma.answers[("GET", "/api/v1/vmware-credentials")] = {"credentials": [{"id": "c-1", "name": "leeds"}, {"id": "c-2", "name": "london"}]}
    oma.answers[("DELETE", "/api/v1/vmware-credentials/leeds")] = {}
    assert cli("vcenter", "remove", "le").returncode == 0
    assert oma.requests[-1][:2] == ("DELETE", "/api/v1/vmware-credentials/leeds")
    ambiguous = cli("vcenter", "remove", "l")
    assert ambiguous.returncode == 3 and "leeds, london" in ambiguous.stderr


def test_cloudstack_connect(cli, oma):
    oma.answers[("PUT", "/api/v1/ossea/config")] = {"api_url": "http://cloud", "zone_name": "Leeds-1"}
    (cli.folder / "key").write_text("K\n")
    result = cli("cloudstack", "connect", "--url", "http://cloud", "--api-key-file", str(cli.folder / "key"), "--secret-key-file", "-",
                 "--zone", "Leeds-1", "--test-network", "Bubble", input="S\n")
    assert result.returncode == 0, result.stderr
    assert oma.requests[-1][2] == {"api_url": "http://cloud", "api_key": "K", "secret_key": "S", "certificate_sha256": "",
                                   "zone": "Leeds-1", "test_network": "Bubble"}
    assert cli("cloudstack", "connect", "--url", "http://cloud").returncode == 2


def test_discovery_says_what_is_blocked(cli, oma):
    blocker = {"severity": "blocker", "code": "independent_disk", "text": "disk 2 is independent", "remedy": "Change its mode."}
    oma.answers[("GET", "/api/v1/discovery")] = {"vcenter": "leeds", "machines": [
        {"name": "good", "power_state": "poweredOn", "cpus": 2, "memory_mb": 1024, "disks": [], "nics": [], "findings": [], "ready": True, "managed_as": None},
        {"name": "bad", "power_state": "poweredOff", "disks": [], "nics": [], "findings": [blocker], "ready": False, "managed_as": None}]}
    assert "blocked: disk 2 is independent" in cli("discover", "list", "--vcenter", "leeds", "--filter", "a&b").stdout
    assert oma.requests[-1][1] == "/api/v1/discovery?vcenter=leeds&filter=a%26b"
    assert cli("discover", "list", "--only-ready", "-o", "name").stdout == "good\n"


def test_network_map_keeps_the_target_that_is_not_named(cli, oma):
    oma.answers[("GET", "/api/v1/networks")] = {"networks": [{"source_network": "VM Network", "live_network_id": "n-1", "test_network_id": None}]}
    oma.answers[("PUT", "/api/v1/networks")] = {"source_network": "VM Network"}
    assert cli("network", "map", "VM Network", "--test", "Bubble").returncode == 0
    assert oma.requests[-1][2] == {"source_network": "VM Network", "live_network": "n-1", "test_network": "Bubble"}


def test_remove_wants_the_name(cli, oma):
    assert cli("vm", "remove", "app-01").returncode == 2
    assert cli("vm", "remove", "app-01", "--confirm", "erp-02").returncode == 2
    assert not [request for request in oma.requests if request[0] == "DELETE"]
    result = cli("vm", "remove", "ctx-1", "--keep-volumes", "--confirm", "app-01", "-o", "json")
    assert result.returncode == 0 and json.loads(result.stdout) == {"context_id": "ctx-1", "volumes_kept": True}
    assert oma.requests[-1][1] == "/api/v1/vms/ctx-1?keep_volumes=true"


def test_live_failover_wants_the_name(cli, oma):
    oma.answers[("POST", "/api/v1/failover/live")] = {"job_id": "j-1", "context_id": "ctx-1"}
    assert cli("failover", "live", "app-01").returncode == 2
    assert not [request for request in oma.requests if request[0] == "POST"]
    result = cli("failover", "live", "app-01", "--confirm", "app-01", "--probe", "http:8080/", "--force-power-off", "--shutdown-limit", "10m")
    assert result.returncode == 0
    assert oma.requests[-1][2] == {"context_id": "ctx-1", "live": True, "probes": ["http:8080/"], "force_power_off": True, "shutdown_limit_s": 600}


@pytest.mark.parametrize("verb", ["commit", "back"])
def test_end_of_a_live_failover_wants_the_name(cli, oma, verb):
    path = f"/api/v1/failover/{verb}"
    oma.answers[("POST", path)] = {"job_id": "j-1", "context_id": "ctx-1"}
    assert cli("failover", verb, "app-01").returncode == 2
    assert cli("failover", verb, "app-01", "--confirm", "erp-02").returncode == 2
    assert not [request for request in oma.requests if request[0] == "POST"]
    result = cli("failover", verb, "app-01", "--confirm", "app-01", "-o", "json")
    assert result.returncode == 0 and json.loads(result.stdout) == {"job_id": "j-1", "context_id": "ctx-1"}
    assert tuple(oma.requests[-1]) == ("POST", path, {"context_id": "ctx-1"})


@pytest.mark.parametrize("verb", ["commit", "back"])
def test_refused_end_of_a_live_failover(cli, oma, verb):
    oma.answers[("POST", f"/api/v1/failover/{verb}")] = Problem(409, "conflict", "a test is running")
    result = cli("failover", verb, "app-01", "--confirm", "app-01", "-o", "json")
    assert result.returncode == 5 and error_of(result)["message"] == "a test is running"


def test_failed_check_is_a_refusal(cli, oma):
    oma.answers[("POST", "/api/v1/failover/check")] = {"passed": False, "network_ids": [], "checks": [
        {"severity": "blocker", "code": "no_recovery_point", "text": "no recovery point", "remedy": "Replicate it first."}]}
    result = cli("failover", "check", "app-01", "--live")
    assert result.returncode == 5 and "blocked  no recovery point" in result.stdout
    assert oma.requests[-1][2]["live"] is True


def test_test_failover_request(cli, oma):
    oma.answers[("POST", "/api/v1/failover/test")] = {"job_id": "j-1", "context_id": "ctx-1"}
    result = cli("failover", "test", "app-01", "--network", "n-1", "--network", "n-2", "--rollback-after", "4h", "-o", "json")
    assert json.loads(result.stdout) == {"job_id": "j-1", "context_id": "ctx-1"}
    assert oma.requests[-1][2] == {"context_id": "app-01", "network_ids": ["n-1", "n-2"], "test_duration_s": 14400, "auto_cleanup": True}


def test_everything_that_a_test_may_be_asked_for(cli, oma):
    oma.answers[("POST", "/api/v1/failover/test")] = {"job_id": "j-1", "context_id": "ctx-1"}
    result = cli("failover", "test", "app-01", "--on-clones", "--probe", "http:8080/", "--probe", "ping", "--expect", "ready", "--address", "auto",
                 "--address", "10.1.1.7", "--keep-mac", "--rollback-on-failure", "--skip-inspection", "--accept-unverified", "--boot-limit", "5m")
    assert result.returncode == 0, result.stderr
    assert oma.requests[-1][2] == {
        "context_id": "app-01", "on_clones": True, "probes": ["http:8080/", "ping"], "expect": "ready", "addresses": ["", "10.1.1.7"], "keep_mac": True,
        "rollback_on_failure": True, "inspect_guest": False, "accept_unverified": True, "boot_limit_s": 300}


def test_check_tells_the_forecast(cli, oma):
    oma.answers[("POST", "/api/v1/failover/check")] = {
        "passed": True, "network_ids": [], "nics": [], "checks": [{"severity": "note", "code": "volumes", "text": "2 volumes are there", "remedy": ""}],
        "forecast": {"likely_s": 245, "at_most_s": 1300, "parts": [
            {"title": "Send the last changes", "likely_s": 40, "at_most_s": 100, "reason": "about 2 GiB"}]}}
    result = cli("failover", "check", "app-01", "--live")
    assert result.returncode == 0 and "ok     2 volumes are there" in result.stdout
    assert "The service will be away for about 5 min, at most 22 min." in result.stderr
    assert "Send the last changes: 40 s, at most 100 s (about 2 GiB)" in result.stderr
    assert "The test machine will run after about 5 min" in cli("failover", "check", "app-01").stderr
    assert json.loads(cli("failover", "check", "app-01", "-o", "json").stdout)["forecast"]["likely_s"] == 245


def test_check_passes_on_what_does_not_go_together(cli, oma):
    oma.answers[("POST", "/api/v1/failover/check")] = Problem(400, "invalid", "a live failover cannot run on clones")
    assert cli("failover", "check", "app-01", "--live", "--on-clones").returncode == 2
    assert oma.requests[-1][2] == {"context_id": "app-01", "live": True, "on_clones": True}


def test_extend_moves_the_end(cli, oma):
    oma.answers[("POST", "/api/v1/failover/extend")] = failover(rollback_at="2026-01-01T16:00:00.000Z")
    result = cli("failover", "extend", "app-01", "--by", "2h")
    assert result.returncode == 0 and "2026-01-01T16:00:00.000Z" in result.stdout
    assert oma.requests[-1][2] == {"context_id": "app-01", "by_s": 7200}
    oma.answers[("POST", "/api/v1/failover/extend")] = Problem(409, "conflict", "no test of app-01 runs", "Start one.")
    assert cli("failover", "extend", "app-01", "--by", "2h").returncode == 5


def report():
    row = job("job-f", "completed", [step(1, "Check that it can fail over", "completed"), step(2, "Start the machine", "completed", no_return=True)],
              "live-failover")
    seen = [{"at": "2026-01-01T10:04:00.000Z", "probe": "http:8080/", "is_proof": True, "text": "HTTP 200 from http://10.1.1.7:8080/"}]
    sent = [{"at": "2026-01-01T10:01:00.000Z", "process": "volume-daemon", "command": "detachVolume", "object": "vol-1", "object_id": None,
             "async_job_id": "cs-job-1", "state": "done"}]
    point = {"id": "rp-1", "snapshot_time": "2026-01-01T09:59:00.000Z", "consistency": "crash"}
    return {**failover(), "boot_observations": seen, "machine": "app-01", "job": row, "recovery_point": point, "commands": sent}


def test_report_of_a_failover_by_machine_and_by_job(cli, oma):
    oma.answers[("GET", "/api/v1/failover/jobs/job-f")] = report()
    assert cli("failover", "show", "app-01").returncode == 3  # never failed over
    oma.machines["app-01"]["failover"] = failover()
    by_machine = cli("failover", "show", "app-01")
    assert by_machine.returncode == 0, by_machine.stderr
    for part in ("of 2026-01-01T09:59:00.000Z, crash-consistent", "app-01-test-1 (vm-1)", "n-1 10.1.1.7", "http:8080/, ping", "2026-01-01T14:00:00.000Z",
                 "HTTP 200 from http://10.1.1.7:8080/", "detachVolume", "cs-job-1"):
        assert part in by_machine.stdout, part
    lines = by_machine.stdout.splitlines()
    marked = next(i for i, line in enumerate(lines) if "point of no return" in line)
    assert "Start the machine" in lines[marked + 1]
    assert cli("failover", "show", "job-f").stdout == by_machine.stdout
    assert json.loads(cli("failover", "show", "app-01", "-o", "json").stdout)["commands"][0]["async_job_id"] == "cs-job-1"
    assert cli("failover", "show", "nobody-knows").returncode == 3


def plan(actions):
    return {"context_id": "ctx-2", "steps": [
        {"name": "failover-job-retrieval", "title": "Read what the failover left", "actions": [], "problem": None},
        {"name": "test-vm-deletion", "title": "Delete the machine", "actions": actions, "problem": None}]}


DELETE = {"text": "delete the machine erp-02-test-1", "object_kind": "machine", "object_id": "vm-9", "is_removal": True}


def test_plan_of_a_cleanup(cli, oma):
    path = ("GET", "/api/v1/vms/erp-02/cleanup-plan")
    oma.answers[path] = plan([DELETE])
    assert cli("cleanup", "plan", "erp-02").stdout == "Delete the machine\n  - delete the machine erp-02-test-1 (vm-9)\n"
    assert json.loads(cli("cleanup", "plan", "erp-02", "-o", "json").stdout)["steps"][1]["actions"] == [DELETE]
    oma.answers[path] = plan([])
    assert cli("cleanup", "plan", "erp-02").stdout == "Nothing is left to do.\n"
    oma.answers[path] = plan([])
    oma.answers[path]["steps"][1]["problem"] = "CloudStack does not answer"
    assert "  ? CloudStack does not answer" in cli("cleanup", "plan", "erp-02").stdout
    oma.answers[path] = Problem(409, "conflict", "there is nothing to clean up", "Look at the machine.")
    assert cli("cleanup", "plan", "erp-02").returncode == 5


def test_cleanup_in_a_script_asks_nothing(cli, oma):
    oma.answers[("POST", "/api/v1/failover/cleanup")] = {"job_id": "j-1", "context_id": "ctx-2"}
    assert cli("cleanup", "run", "erp-02").returncode == 0
    assert [request[:2] for request in oma.requests] == [("POST", "/api/v1/failover/cleanup")]


@pytest.mark.parametrize("answer, code", [("yes", 0), ("no", 2)])
def test_cleanup_on_a_terminal_shows_its_plan_first(cli, oma, answer, code):
    oma.answers[("GET", "/api/v1/vms/erp-02/cleanup-plan")] = plan([DELETE])
    oma.answers[("POST", "/api/v1/failover/cleanup")] = {"job_id": "j-1", "context_id": "ctx-2"}
    terminal = cli.terminal("cleanup", "run", "erp-02")
    terminal.wait_for("Go on?")
    assert "delete the machine erp-02-test-1" in terminal.screen
    assert not [request for request in oma.requests if request[0] == "POST"]
    terminal.type(answer + "\n")
    assert terminal.wait() == code
    assert len([request for request in oma.requests if request[0] == "POST"]) == (1 if code == 0 else 0)


def test_cleanup_on_a_terminal_without_a_question(cli, oma):
    oma.answers[("POST", "/api/v1/failover/cleanup")] = {"job_id": "j-1", "context_id": "ctx-2"}
    terminal = cli.terminal("cleanup", "run", "erp-02", "--yes")
    assert terminal.wait() == 0


def test_live_failover_on_a_terminal_tells_the_forecast_before_the_name(cli, oma):
    check = {"passed": True, "network_ids": [], "nics": [], "checks": [],
             "forecast": {"likely_s": 240, "at_most_s": 600, "parts": []}}
    oma.answers[("POST", "/api/v1/failover/check")] = check
    oma.answers[("POST", "/api/v1/failover/live")] = {"job_id": "j-1", "context_id": "ctx-1"}
    terminal = cli.terminal("failover", "live", "app-01")
    terminal.wait_for("to go on:")
    assert "about 4 min, at most 10 min" in terminal.screen and "never tested" in terminal.screen
    terminal.type("app-01\n")
    assert terminal.wait() == 0
    check["passed"] = False
    terminal = cli.terminal("failover", "live", "app-01")
    assert terminal.wait() == 5 and "It cannot fail over now" in terminal.screen


def test_boot_disk_is_overridden(cli, oma):
    assert cli("vm", "set", "app-01", "--boot-disk", "disk-2001").returncode == 0
    assert tuple(oma.requests[-1]) == ("PATCH", "/api/v1/vms/app-01", {"boot_disk_id": "disk-2001"})
    oma.answers[("PATCH", "/api/v1/vms/app-01")] = Problem(400, "invalid", "app-01 has no disk disk-9")
    assert cli("vm", "set", "app-01", "--boot-disk", "disk-9").returncode == 2


def test_finish_sends_verdict_and_note(cli, oma):
    oma.answers[("POST", "/api/v1/failover/finish")] = {"job_id": "j-1", "context_id": "ctx-1"}
    assert cli("failover", "finish", "app-01", "--verdict", "worked", "--note", "log-in checked").returncode == 0
    assert oma.requests[-1][2] == {"context_id": "app-01", "verdict": "worked", "note": "log-in checked"}


def test_several_machines_go_on_after_a_refusal(cli, oma):
    oma.answers[("POST", "/api/v1/vms/erp-02/sync")] = Problem(409, "conflict", "clean up first")
    result = cli("sync", "start", "erp-02", "app-01", "-o", "json")
    assert result.returncode == 5
    assert error_of(result)["message"] == "erp-02: clean up first"
    assert json.loads(result.stdout)["job_id"] == "job-app-01"


def test_sync_stop(cli, oma):
    assert cli("sync", "stop", "app-01").returncode == 5
    oma.machines["app-01"]["job"] = sync_job("job-1", 10)
    oma.jobs["job-1"] = [sync_job("job-1", 10)]
    assert cli("sync", "stop", "app-01").returncode == 0
    assert oma.requests[-1][:2] == ("POST", "/api/v1/jobs/job-1/cancel")


def test_job_by_prefix_and_its_logs(cli, oma):
    oma.jobs["job-1"] = [job("job-1", "failed", [step(1, "Attach the volumes", "failed", error="CloudStack said 530")],
                             error={"code": "external", "message": "CloudStack said 530", "consequence": "The copy is whole.",
                                    "remedy": "Clean up.", "retry_safe": True})]
    oma.events = [{"id": f"{i:03}", "step": 1, "level": "WARN" if i == 2 else "INFO", "message": f"event {i}", "at": "2026-01-01T14:03:28.000Z"}
                  for i in range(1, 4)]
    shown = cli("job", "show", "job")
    assert "CloudStack said 530" in shown.stdout and "Clean up." in shown.stdout and "[1/1] Attach the volumes" in shown.stdout
    assert cli("job", "logs", "job-1", "--level", "warn").stdout == "14:03:28 WARN  event 2\n"
    assert [event["id"] for event in json.loads(cli("job", "logs", "job-1", "-o", "json").stdout)["events"]] == ["001", "002", "003"]
    followed = cli("job", "logs", "job-1", "-f", "-o", "json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in followed] == ["001", "002", "003"]
    assert cli("job", "show", "nothing").returncode == 3


def test_status_fails_when_a_neighbour_is_silent(cli, oma):
    assert cli("status").returncode == 0
    oma.answers[("GET", "/api/v1/status")] = {"version": "0.1.0", "peers": [
        {"name": "VMA", "address": "http://vma", "reachable": False, "version": "", "problem": "no answer"}]}
    result = cli("status")
    assert result.returncode == 1 and "Not reachable" in result.stdout and "no answer" in result.stdout


def test_api_and_token(cli, oma):
    oma.answers[("POST", "/api/v1/tokens")] = {"name": "n", "role": "viewer", "token": "T"}
    assert cli("token", "create", "n", "--role", "viewer").stdout == "T\n"
    result = cli("api", "post", "/api/v1/tokens", "-f", "-", input='{"name": "n", "role": "viewer"}')
    assert json.loads(result.stdout)["token"] == "T" and oma.requests[-1][2] == {"name": "n", "role": "viewer"}
    assert cli("api", "POST", "/api/v1/tokens", "-f", "-", input="{").returncode == 2
    assert len(json.loads(cli("api", "GET", "/api/v1/vms").stdout)["vms"]) == 2


def test_sync_options_reach_the_api(cli, oma):
    assert cli("sync", "start", "app-01", "--compare", "--priority", "-5", "--limit", "100Mbit").returncode == 0
    assert oma.requests[-1][:2] == ("POST", "/api/v1/vms/app-01/sync")
    assert oma.requests[-1][2] == {"full": False, "compare": True, "priority": -5, "bytes_per_second": 12500000}
    assert cli("sync", "start", "app-01", "--limit", "none").returncode == 0
    assert oma.requests[-1][2] == {"full": False, "compare": False, "bytes_per_second": None}


@pytest.mark.parametrize("arguments", [
    ("start", "app-01", "--full", "--compare"), ("start", "app-01", "--priority", "101"), ("start", "app-01", "--priority", "high"),
    ("start", "app-01", "--limit", "100M"), ("verify", "app-01", "--percent", "0"), ("verify", "app-01", "--percent", "101"),
    ("verify", "app-01", "erp-02"), ("settings", "--compare-percent", "101")])
def test_sync_options_that_make_no_sense(cli, oma, arguments):
    assert cli("sync", *arguments).returncode == 2
    assert not [request for request in oma.requests if request[0] != "GET"]


def test_sync_list_shows_what_was_moved(cli, oma):
    oma.jobs["job-1"] = [sync_job("job-1", 50)]
    oma.jobs["job-2"] = [job("job-2", "completed", [])]
    lines = cli("sync", "list").stdout.splitlines()
    assert lines[0].split()[-5:] == ["CHANGED", "SENT", "ON", "THE", "WIRE"]
    assert len(lines) == 2 and lines[1].startswith("job-1") and lines[1].endswith("100.0 MiB  50.0 MiB     25.0 MiB")
    oma.jobs.clear()
    assert cli("sync", "list").stdout == "No sync.\n"


def test_sync_show_tells_the_figures(cli, oma):
    done = sync_job("job-1", 100, "completed")
    done["replication"] |= {"attempt": 2}
    done["recovery_point"] = {"disks": [
        {"bytes_changed": 100 << 20, "bytes_sent": 40 << 20, "bytes_zeroed": 50 << 20, "bytes_skipped": 0, "bytes_resumed": 10 << 20,
         "bytes_compared": 200 << 20, "bytes_different": 0, "bytes_verified": 40 << 20, "digest_runs": 2}]}
    oma.jobs["job-1"] = [done]
    shown = {line[:14].strip(): line[14:].strip() for line in cli("sync", "show", "job-1").stdout.splitlines()}
    assert shown["Changed"] == "100.0 MiB" and shown["Sent"] == "40.0 MiB, 40 % of what changed"
    assert shown["On the wire"] == "50.0 MiB, 50 % of what changed"
    assert shown["Taken over"].startswith("10.0 MiB") and shown["Compared"] == "200.0 MiB, no difference"
    assert shown["Attempt"] == "2"


def test_sync_settings(cli, oma):
    path = "/api/v1/settings/replication"
    oma.answers[("GET", path)] = {"compare_percent": 1}
    oma.answers[("PUT", path)] = {"compare_percent": 5}
    assert "1 %" in cli("sync", "settings").stdout
    assert "5 %" in cli("sync", "settings", "--compare-percent", "5").stdout
    assert oma.requests[-1] == ("PUT", path, {"compare_percent": 5})


BANDWIDTH = {"bytes_per_second": 12500000, "windows": [{"days": ["mon", "tue", "wed"], "from": "08:00", "to": "18:00", "bytes_per_second": None}],
             "now": {"bytes_per_second": None, "window": {"days": ["mon", "tue", "wed"], "from": "08:00", "to": "18:00", "bytes_per_second": None},
                     "local_time": "Mon 09:30 GMT"}}


def test_limit_show(cli, oma):
    oma.answers[("GET", "/api/v1/settings/bandwidth")] = BANDWIDTH
    lines = cli("limit", "show").stdout.splitlines()
    assert lines[1].startswith("now, Mon 09:30 GMT") and lines[1].endswith("no limit, until 18:00")
    assert lines[2].split() == ["mon-wed", "08:00-18:00", "no", "limit"]
    assert lines[3].split(maxsplit=1) == ["otherwise", "100 Mbit/s (11.9 MiB/s)"]
    assert json.loads(cli("limit", "show", "-o", "json").stdout) == BANDWIDTH


def test_limit_set_keeps_what_is_not_named(cli, oma):
    path = "/api/v1/settings/bandwidth"
    oma.answers[("GET", path)] = oma.answers[("PUT", path)] = BANDWIDTH
    assert cli("limit", "set", "--limit", "1Gbit").returncode == 0
    assert oma.requests[-1] == ("PUT", path, {"bytes_per_second": 125000000, "windows": BANDWIDTH["windows"]})
    assert cli("limit", "set", "--window", "sat,sun 22:00-06:00 12MiB", "--window", "daily 08:00-09:00 none").returncode == 0
    body = oma.requests[-1][2]
    assert body["bytes_per_second"] == 12500000
    assert body["windows"][0] == {"days": ["sat", "sun"], "from": "22:00", "to": "06:00", "bytes_per_second": 12582912}
    assert len(body["windows"][1]["days"]) == 7 and body["windows"][1]["bytes_per_second"] is None
    assert cli("limit", "set", "--no-windows", "--limit", "none").returncode == 0
    assert oma.requests[-1][2] == {"bytes_per_second": None, "windows": []}


@pytest.mark.parametrize("arguments", [(), ("--limit", "fast"), ("--window", "mon 08:00 1Mbit"), ("--window", "daily 08:00-09:00 none", "--no-windows")])
def test_limits_that_make_no_sense(cli, oma, arguments):
    assert cli("limit", "set", *arguments).returncode == 2
    assert not oma.requests


def test_refused_limit(cli, oma):
    path = "/api/v1/settings/bandwidth"
    oma.answers[("GET", path)] = BANDWIDTH
    oma.answers[("PUT", path)] = Problem(400, "invalid", "windows 1 and 2 overlap on mon at 08:00")
    result = cli("limit", "set", "--limit", "1Gbit", "-o", "json")
    assert result.returncode == 2 and "overlap" in error_of(result)["message"]


def test_vm_show_tells_the_last_comparison(cli, oma):
    assert "Last compared" not in cli("vm", "show", "app-01").stdout
    oma.machines["app-01"] |= {"verified_at": "2026-01-01T10:00:00.000Z", "verified_verdict": "differs", "verified_percent": 25,
                               "compare_reason": "a verification found differences"}
    shown = cli("vm", "show", "app-01").stdout
    assert "ago, differs (25 % compared)" in shown
    assert "compares everything: a verification found differences" in shown
