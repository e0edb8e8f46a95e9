"""The runner of scripts/test: what it counts, and that nothing survives a suite."""

import importlib.util
import os
import pathlib
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def runner(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("suites", ROOT / "scripts/lib/suites.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "suites", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LOGS", tmp_path)
    monkeypatch.setattr(module, "REPORT", tmp_path / "report.json")
    return module


@pytest.fixture
def run(runner):
    def run_shell(script, xml=False, limit_s=30):
        counts = runner.run_suite(runner.Suite("part/one", ["bash", "-c", script, "suite", "{xml}"], limit_s, xml=xml))
        return counts.passed, counts.failed, counts.skipped

    return run_shell


CASES = {
    "pass": '<testcase name="a"/>',
    "fail": '<testcase name="b"><failure message="no"/></testcase>',
    "error": '<testcase name="c"><error message="broken"/></testcase>',
    "skip": '<testcase name="d"><skipped message="no tool"/></testcase>',
    "disabled": '<testcase name="e" status="notrun"/>',
}


def writing(*names, code=0):
    body = "".join(CASES[name] for name in names)
    return f"echo '<testsuites><testsuite>{body}</testsuite></testsuites>' >\"$1\"; exit {code}"


@pytest.mark.parametrize("script, expected", [
    (writing("pass", "pass", "skip"), (2, 0, 1)),
    (writing("pass", "fail", "error", code=1), (1, 2, 0)),
    (writing("pass", "disabled"), (1, 0, 1)),
    (writing("pass", code=1), (1, 1, 0)),          # it says that all is well, and fails
    (writing(), (0, 1, 0)),                        # nothing ran
    ("exit 0", (0, 1, 0)),                         # no results
    ("echo '<testsuites><tes' >\"$1\"", (0, 1, 0)),  # torn results
    ("kill -SEGV $$", (0, 1, 0)),
])
def test_results_in_xml_are_counted(run, script, expected):
    assert run(script, xml=True) == expected


@pytest.mark.parametrize("script, expected", [
    ("echo 'ok      layers  1 s'; echo 'ok  \tpackage\t0.1s'", (2, 0, 0)),
    ("echo 'ok  \tpackage'; echo 'FAIL\tother [build failed]'; echo FAIL; exit 1", (1, 1, 0)),
    ("echo 'FAILED  layers'; exit 1", (0, 1, 0)),
    ("echo 'vet: it does not compile'; exit 1", (0, 1, 0)),
])
def test_results_in_lines_are_counted(run, script, expected):
    assert run(script) == expected


def test_a_suite_has_a_time_limit(run):
    assert run("echo 'ok  one'; sleep 600", limit_s=1) == (1, 1, 0)


def test_what_a_suite_leaves_running_is_ended(run, tmp_path):
    note = tmp_path / "pid"
    run(f"setsid sleep 600 & echo $! >{note}; disown; echo 'ok  one'")
    # The process left the suite's session; what finds it is the mark in its environment.
    number = int(note.read_text())
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{number}") and "Z" not in pathlib.Path(f"/proc/{number}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.05)


def test_temporary_files_are_removed(run, tmp_path):
    note = tmp_path / "folder"
    run(f'mktemp -d >{note}; echo "ok  one"')
    assert note.read_text().strip() and not os.path.exists(note.read_text().strip())


def test_logs_of_a_failed_suite_are_kept(run, tmp_path):
    run('mkdir "$TMPDIR/service"; echo why >"$TMPDIR/service/one.log"; echo "FAILED  one"; exit 1')
    assert (tmp_path / "part-one.files/service/one.log").read_text() == "why\n"


@pytest.mark.parametrize("ci, expected", [("", 0), ("true", 1)])
def test_a_skipped_test_is_a_failure_in_ci_only(runner, monkeypatch, capsys, ci, expected):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(sys, "argv", ["scripts/test"])
    suites = [runner.Suite("a", ["bash", "-c", writing("pass", "skip"), "suite", "{xml}"], 30)]
    monkeypatch.setattr(runner, "chosen_suites", lambda options: suites)
    assert runner.main() == expected
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 0 failed, 1 skipped"
    assert runner.REPORT.read_text().split() == (
        '{ "suites": [ { "name": "a", "passed": 1, "failed": 0, "skipped": 1 } ] }'.split())
