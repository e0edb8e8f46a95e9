"""Following jobs: without and with a terminal, to the end, past the time, and interrupted."""

import json
import signal

import pytest

from fakeoma import TITLES, job, step, sync_job, verification_job


def ended(status, error=None):
    return job("job-app-01", status, [step(1, TITLES[0], "completed"), step(2, TITLES[1], "completed")], error=error)


def lines_of(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("status, expected", [("completed", 0), ("warning", 7), ("failed", 6), ("cancelled", 6)])
def test_exit_code_tells_how_the_job_ended(cli, oma, status, expected):
    oma.jobs["job-app-01"] = [ended(status)]
    result = cli("sync", "start", "app-01", "--wait", "-o", "json")
    assert result.returncode == expected
    last = lines_of(result)[-1]
    assert last["type"] == "result" and last["exit_code"] == expected
    assert [j["status"] for j in last["jobs"]] == [status]
    assert last["follow"] is None


def test_json_lines_tell_changes_only(cli, oma):
    running = job("job-app-01", "running", [step(1, TITLES[0], "running"), step(2, TITLES[1], "pending")])
    oma.jobs["job-app-01"] = [running, running, ended("completed")]
    lines = lines_of(cli("sync", "start", "app-01", "--wait", "-o", "json"))
    assert [line["type"] for line in lines] == ["progress", "progress", "result"]
    assert lines[0]["job"] == running


def test_one_line_per_stage_and_tenth_without_a_terminal(cli, oma):
    oma.jobs["job-app-01"] = [sync_job("job-app-01", 5), sync_job("job-app-01", 12), sync_job("job-app-01", 15), sync_job("job-app-01", 73),
                              sync_job("job-app-01", 100, "completed")]
    result = cli("sync", "start", "app-01", "--wait")
    assert result.returncode == 0 and result.stdout == ""
    assert result.stderr.splitlines() == [
        "[1/2] Check the source machine      2 min 34 s",
        "[2/2] Copy changed data             Copying",
        "app-01     [##------------------]  12%  12.0/100.0 MiB  10 MiB/s  4 min left",
        "app-01     [##############------]  73%  73.0/100.0 MiB  10 MiB/s  4 min left",
        "[2/2] Copy changed data             2 min 34 s",
        "app-01: completed in 4 min 12 s, 100.0 MiB sent, 50.0 MiB on the wire"]


def test_failed_job_tells_cause_and_remedy(cli, oma):
    oma.jobs["job-app-01"] = [ended("failed", {"code": "external", "message": "CloudStack said 530", "consequence": "The copy is whole.",
                                               "remedy": "Clean up.", "retry_safe": True})]
    result = cli("job", "wait", "job-app-01")
    assert result.returncode == 6
    assert result.stderr.endswith("Error: CloudStack said 530.\n       The copy is whole.\n       Clean up.\n")


def test_timeout_leaves_the_job_alone(cli, oma):
    oma.jobs["job-app-01"] = [sync_job("job-app-01", 5)]
    result = cli("sync", "start", "app-01", "--wait", "--timeout", "1s")
    assert result.returncode == 8
    assert "Follow it with: migratekit job wait job-app-01" in result.stderr
    assert not [request for request in oma.requests if request[1].endswith("/cancel")]


@pytest.mark.parametrize("arguments", [("sync", "start", "app-01", "--wait"), ("vm", "watch", "app-01"), ("job", "logs", "job-app-01", "-f")])
def test_interrupt_detaches(cli, oma, arguments):
    oma.jobs["job-app-01"] = [sync_job("job-app-01", 5)]
    oma.machines["app-01"]["current_job_id"] = "job-app-01"
    process = cli.start(*arguments)
    assert oma.looked_at.wait(30)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=30)
    assert process.returncode == 130
    if arguments[0] != "job":
        assert messages.endswith("Detached; the job goes on.\nFollow it with: migratekit job wait job-app-01\n")
    assert not [request for request in oma.requests if request[1].endswith("/cancel")]


def test_slow_leg_and_attempt(cli, oma):
    slow = sync_job("job-app-01", 50)
    slow["replication"] |= {"bottleneck": "tunnel", "attempt": 3}
    oma.jobs["job-app-01"] = [slow, sync_job("job-app-01", 100, "completed")]
    result = cli("sync", "start", "app-01", "--wait")
    assert "50.0/100.0 MiB  10 MiB/s  4 min left  slow: tunnel  attempt 3\n" in result.stderr


def test_a_copy_that_is_identical(cli, oma):
    oma.jobs["job-app-01"] = [verification_job("job-app-01", [])]
    result = cli("sync", "verify", "app-01", "--wait")
    assert result.returncode == 0 and result.stdout == ""
    assert result.stderr.endswith("app-01: completed in 4 min 12 s, identical, 1.0 GiB compared\n")
    assert ("POST", "/api/v1/vms/app-01/verify", {"percent": 100}) in oma.requests


@pytest.mark.parametrize("status", ["completed", "warning"])
def test_a_copy_that_differs_is_told_by_the_exit_code(cli, oma, status):
    oma.jobs["job-app-01"] = [verification_job("job-app-01", [(1 << 20, 65536), (0, 512)], status)]
    result = cli("sync", "verify", "app-01", "--percent", "10", "--wait")
    assert result.returncode == 10
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["DISK", "OFFSET", "LENGTH"], ["disk-2000", "1048576", "65536"], ["disk-2000", "0", "512"]]
    assert "differs in 64.5 KiB, 1.0 GiB compared" in result.stderr
    assert ("POST", "/api/v1/vms/app-01/verify", {"percent": 10}) in oma.requests
    last = lines_of(cli("job", "wait", "job-app-01", "-o", "json"))[-1]
    assert (last["status"], last["exit_code"]) == ("differs", 10)
    assert "64.0 KiB at 1048576" in cli("sync", "show", "job-app-01").stdout


def test_a_comparison_that_failed_is_no_difference(cli, oma):
    failed = verification_job("job-app-01", [], "failed")
    oma.jobs["job-app-01"] = [{**failed, "verification": None}]
    assert cli("sync", "verify", "app-01", "--wait").returncode == 6


def test_interrupt_as_json(cli, oma):
    oma.jobs["job-app-01"] = [sync_job("job-app-01", 5)]
    process = cli.start("sync", "start", "app-01", "--wait", "-o", "json")
    assert oma.looked_at.wait(30)
    process.send_signal(signal.SIGINT)
    out, messages = process.communicate(timeout=30)
    last = json.loads(out.splitlines()[-1])
    assert process.returncode == 130 and messages == ""
    assert (last["type"], last["status"], last["follow"]) == ("result", "detached", "migratekit job wait job-app-01")


def test_bars_on_a_terminal(cli, oma):
    oma.jobs["job-app-01"] = [sync_job("job-app-01", 50), sync_job("job-app-01", 73), sync_job("job-app-01", 100, "completed")]
    terminal = cli.terminal("sync", "start", "app-01", "--wait")
    assert terminal.wait() == 0
    assert "app-01     [##########----------]  50%  50.0/100.0 MiB" in terminal.screen
    assert "  disk-2000[##########----------]  50%  30.0/60.0 MiB" in terminal.screen
    assert "\x1b[1A\x1b[2K" in terminal.screen, "the bars redraw themselves"
    assert terminal.screen.endswith("app-01: completed in 4 min 12 s, 100.0 MiB sent, 50.0 MiB on the wire\r\n")


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}])
def test_dumb_terminals_get_plain_lines(cli, oma, environment):
    oma.jobs["job-app-01"] = [sync_job("job-app-01", 50), sync_job("job-app-01", 100, "completed")]
    terminal = cli.terminal("sync", "start", "app-01", "--wait", **environment)
    assert terminal.wait() == 0
    assert "\x1b" not in terminal.screen and " 50%" in terminal.screen


def test_ctrl_c_on_a_terminal(cli, oma):
    oma.jobs["job-app-01"] = [sync_job("job-app-01", 50)]
    terminal = cli.terminal("sync", "start", "app-01", "--wait")
    terminal.wait_for("50%")
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert "migratekit job wait job-app-01" in terminal.screen


def test_typed_name_starts_a_live_failover(cli, oma):
    oma.answers[("POST", "/api/v1/failover/live")] = {"job_id": "job-app-01", "context_id": "ctx-1"}
    terminal = cli.terminal("failover", "live", "app-01")
    terminal.wait_for("to go on: ")
    assert "is shut down" in terminal.screen and "\r\nLast test: never tested." in terminal.screen
    terminal.type("app-01\n")
    assert terminal.wait() == 0
    assert oma.requests[-1][:2] == ("POST", "/api/v1/failover/live")


@pytest.mark.parametrize("verb, warning", [("commit", "no way back"), ("back", "since the failover is lost")])
def test_end_of_a_live_failover_says_what_it_does(cli, oma, verb, warning):
    oma.answers[("POST", f"/api/v1/failover/{verb}")] = {"job_id": "job-app-01", "context_id": "ctx-1"}
    oma.jobs["job-app-01"] = [sync_job("job-app-01", 100, "completed")]
    terminal = cli.terminal("failover", verb, "app-01", "--wait")
    terminal.wait_for("to go on: ")
    assert warning in terminal.screen
    terminal.type("app-01\n")
    assert terminal.wait() == 0


@pytest.mark.parametrize("committed, fate", [(True, "stay in CloudStack"), (False, "are deleted")])
def test_removal_says_what_happens_to_the_volumes(cli, oma, committed, fate):
    if committed:
        oma.machines["app-01"]["status"] = "committed"
    terminal = cli.terminal("vm", "remove", "app-01")
    terminal.wait_for("to go on: ")
    assert f"volumes {fate}" in terminal.screen or f"volumes in CloudStack {fate}" in terminal.screen
    terminal.type("\n")
    assert terminal.wait() == 2


@pytest.mark.parametrize("typed, expected", [("app-02\n", 2), ("\n", 2), ("\x04", 2), ("\x03", 130)])
def test_anything_else_starts_nothing(cli, oma, typed, expected):
    terminal = cli.terminal("failover", "live", "app-01")
    terminal.wait_for("to go on: ")
    terminal.type(typed)
    assert terminal.wait() == expected
    assert not [request for request in oma.requests if request[1] == "/api/v1/failover/live"]


def test_colours_of_errors(cli, oma):
    coloured = cli.terminal("vm", "show", "none")
    assert coloured.wait() == 3 and "\x1b[1;31mError:" in coloured.screen
    for plain in (cli.terminal("vm", "show", "none", NO_COLOR="1"), cli.terminal("vm", "show", "none", "--no-color")):
        assert plain.wait() == 3 and "\x1b" not in plain.screen
