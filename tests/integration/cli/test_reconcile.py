"""volume reconcile: what is shown, what is applied without a question, and what is not."""

import json

import pytest

from fakeoma import Problem, job, step

REPORT = ("GET", "/api/v1/reconcile")
RUN = ("POST", "/api/v1/reconcile/run")


def finding(number, action="remove", confirm=False, kind="orphan", **more):
    return {"id": f"f-{number}", "kind": kind, "site": "target", "object_kind": "volume", "object_id": f"v-{number}",
            "object_name": f"name-{number}", "context_id": "ctx-1", "machine": "app-01", "holds_data": confirm,
            "detail": f"why-{number}", "action": action, "needs_confirmation": confirm,
            "first_seen_at": "2026-01-01T10:00:00.000Z", "last_seen_at": "2026-01-01T11:00:00.000Z", **more}


def report(*findings, unreachable=(), last_run="2026-01-01T11:00:00.000Z"):
    return {"findings": list(findings), "last_run": last_run, "unreachable": list(unreachable)}


def applied(oma):
    return [(path, body) for method, path, body in oma.requests if method == "POST" and path.endswith("/apply")]


@pytest.fixture
def applying(oma):
    """Every application is a job that ends well at once."""
    oma.jobs["job-r"] = [job("job-r", "completed", [step(1, "Remove the object", "completed")], "cleanup")]
    for number in range(1, 5):
        oma.answers[("POST", f"/api/v1/reconcile/f-{number}/apply")] = {"job_id": "job-r"}


def test_nothing_is_left(cli, oma):
    oma.answers[REPORT] = report()
    result = cli("volume", "reconcile")
    assert result.returncode == 0 and "Everything is accounted for." in result.stdout + result.stderr
    oma.answers[REPORT] = report(last_run=None)
    result = cli("volume", "reconcile")
    assert result.returncode == 7 and "--run" in result.stdout + result.stderr


def test_findings_are_a_table_and_exit_code_7(cli, oma):
    oma.answers[RUN] = report(finding(1, confirm=True), finding(2, "review", kind="changed"))
    result = cli("volume", "reconcile", "--run")
    assert result.returncode == 7
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["AGE", "FINDING", "OBJECT", "WHY", "ACTION", "ID"]
    assert "orphan" in lines[1] and "volume name-1" in lines[1] and "why-1" in lines[1] and "remove, with its id" in lines[1] and "v-1" in lines[1]
    assert "changed" in lines[2] and "review" in lines[2]
    result = cli("-o", "json", "volume", "reconcile", "--run")
    assert result.returncode == 7 and [f["id"] for f in json.loads(result.stdout)["findings"]] == ["f-1", "f-2"]
    assert applied(oma) == []


def test_a_silent_site_is_told_and_not_taken_for_order(cli, oma):
    oma.answers[REPORT] = report(unreachable=[{"site": "source", "name": "lab", "problem": "it does not answer"}])
    result = cli("volume", "reconcile")
    assert result.returncode == 7 and "lab could not be asked" in result.stderr and "it does not answer" in result.stderr


def test_apply_leaves_what_a_person_must_decide(cli, oma, applying):
    left = [finding(2, confirm=True), finding(3, "review")]
    oma.answers[REPORT] = [report(finding(1), *left, finding(4, "forget", kind="missing")), report(*left)]
    result = cli("volume", "reconcile", "--apply")
    assert result.returncode == 7, result.stderr
    assert applied(oma) == [("/api/v1/reconcile/f-1/apply", {}), ("/api/v1/reconcile/f-4/apply", {})]
    assert "name-2" in result.stdout and "name-1" not in result.stdout


def test_apply_goes_on_after_a_refusal(cli, oma, applying):
    oma.answers[REPORT] = [report(finding(1), finding(4)), report()]
    oma.answers[("POST", "/api/v1/reconcile/f-1/apply")] = Problem(409, "conflict", "another job of app-01 is running")
    result = cli("volume", "reconcile", "--apply")
    assert result.returncode == 7 and "another job of app-01 is running" in result.stderr
    assert [path for path, _ in applied(oma)] == ["/api/v1/reconcile/f-1/apply", "/api/v1/reconcile/f-4/apply"]


def test_remove_needs_the_id_twice_where_data_may_be(cli, oma, applying):
    oma.answers[REPORT] = report(finding(1, confirm=True), finding(2))
    for confirmation in ((), ("--confirm", "v-2"), ("--confirm", "name-1")):
        result = cli("volume", "reconcile", "--remove", "v-1", *confirmation)
        assert result.returncode == 2 and applied(oma) == [], result.stderr
    assert cli("volume", "reconcile", "--remove", "v-1", "--confirm", "v-1", "--wait").returncode == 0
    assert applied(oma) == [("/api/v1/reconcile/f-1/apply", {"confirm": "v-1"})]
    assert cli("volume", "reconcile", "--remove", "f-2").returncode == 0
    assert applied(oma)[1] == ("/api/v1/reconcile/f-2/apply", {})


def test_remove_asks_on_a_terminal(cli, oma, applying):
    oma.answers[REPORT] = report(finding(1, confirm=True))
    terminal = cli.terminal("volume", "reconcile", "--remove", "v-1")
    terminal.wait_for("Type the object's name (v-1)")
    terminal.type("v-1\n")
    assert terminal.wait() == 0
    assert applied(oma) == [("/api/v1/reconcile/f-1/apply", {"confirm": "v-1"})]


@pytest.mark.parametrize("arguments, code", [(("--apply", "--remove", "v-1"), 2), (("--confirm", "v-1"), 2), (("--remove", "v-9"), 3)])
def test_what_makes_no_sense_changes_nothing(cli, oma, arguments, code):
    oma.answers[REPORT] = report(finding(1))
    assert cli("volume", "reconcile", *arguments).returncode == code
    assert applied(oma) == []
