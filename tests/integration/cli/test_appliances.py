"""Pairing with a VMA, looking at it, retiring it."""

import json

import pytest

from fakeoma import Problem

LIST = ("GET", "/api/v1/appliances")
LEEDS = {"appliance_id": "a-1", "name": "leeds", "fingerprint": "ab" * 32, "fingerprint_for_people": "abab abab", "used": True,
         "paired_at": "2026-01-01T10:00:00.000Z", "reachable": True, "version": "0.1.0", "version_matches": True, "round_trip_ms": 7,
         "problem": None}
YORK = {**LEEDS, "appliance_id": "y-1", "name": "york", "fingerprint_for_people": "cdcd cdcd", "used": False, "reachable": False,
        "version": None, "version_matches": None, "round_trip_ms": None, "problem": "nobody answers"}
INVITATION = {"code": "ABCDE-FGHIJ-KLMNO-PQRST", "expires_at": "2026-01-01T10:10:00.000Z", "fingerprint": "ef" * 32,
              "fingerprint_for_people": "efef efef"}


def answer(*appliances, codes=1):
    return {"appliances": list(appliances), "open_invitations": codes}


@pytest.fixture
def site(oma):
    oma.answers[("POST", "/api/v1/appliances/pairings")] = INVITATION
    for appliance in (LEEDS, YORK):
        oma.answers[("GET", "/api/v1/appliances/" + appliance["name"])] = appliance
        oma.answers[("DELETE", "/api/v1/appliances/" + appliance["appliance_id"])] = appliance
    return oma


def test_list(cli, oma):
    oma.answers[LIST] = answer(LEEDS, YORK)
    lines = cli("appliance", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "VERSION", "ROUND", "TRIP", "PAIRED", "USED", "PROBLEM"]
    assert lines[1].startswith("leeds  Reachable") and " 7 ms" in lines[1]
    assert lines[2].startswith("york   Not reachable") and lines[2].endswith("nobody answers")
    assert cli("appliance", "list", "-o", "name").stdout == "leeds\nyork\n"
    assert json.loads(cli("appliance", "list", "-o", "json").stdout) == answer(LEEDS, YORK)


def test_nobody_is_paired(cli, oma):
    oma.answers[LIST] = answer()
    assert cli("appliance", "list").stdout == "No appliance is paired yet. Pair one: migratekit appliance pair\n"


def test_show(cli, site):
    shown = cli("appliance", "show", "leeds").stdout
    assert "7 ms" in shown and "abab abab" in shown and "Problem" not in shown
    shown = cli("appliance", "show", "york").stdout
    assert "Not reachable" in shown and "nobody answers" in shown and "Round trip" not in shown
    site.answers[("GET", "/api/v1/appliances/leeds")] = {**LEEDS, "version": "0.2.0", "version_matches": False}
    assert "0.2.0, not this OMA's" in cli("appliance", "show", "leeds").stdout


def test_pair_waits_and_shows_both_fingerprints(cli, site):
    site.answers[LIST] = [answer(YORK, codes=0), answer(YORK), answer(YORK, LEEDS)]
    result = cli("appliance", "pair")
    assert result.returncode == 0
    assert INVITATION["code"] in result.stdout and "10:10:00 UTC" in result.stdout
    last = result.stdout.splitlines()[-4:]
    assert last[0].split() == ["Paired", "with", "leeds"]
    assert last[2].endswith("abab abab") and last[3].endswith("efef efef")
    assert "appliance retire 'a-1'" in result.stderr


def test_pair_again_is_noticed(cli, site):
    site.answers[LIST] = [answer(LEEDS), answer({**LEEDS, "paired_at": "2026-01-02T10:00:00.000Z"})]
    assert "Paired with" in cli("appliance", "pair").stdout


def test_pair_as_json(cli, site):
    site.answers[LIST] = [answer(), answer(LEEDS)]
    lines = [json.loads(line) for line in cli("appliance", "pair", "-o", "json").stdout.splitlines()]
    assert lines == [{**INVITATION, "type": "invitation"}, {"type": "result", "status": "paired", "exit_code": 0, "appliance": LEEDS}]
    assert json.loads(cli("appliance", "pair", "--no-wait", "-o", "json").stdout) == INVITATION


def test_pair_without_waiting(cli, site):
    site.answers[LIST] = answer()
    result = cli("appliance", "pair", "--no-wait")
    assert result.returncode == 0 and INVITATION["code"] in result.stdout
    assert len([request for request in site.requests if request[1] == "/api/v1/appliances"]) <= 1


def test_nobody_used_the_code(cli, site):
    site.answers[LIST] = [answer(), answer(), answer(codes=0)]
    result = cli("appliance", "pair")
    assert result.returncode == 8 and "No VMA was paired" in result.stderr
    site.answers[LIST] = answer(codes=0)
    result = cli("appliance", "pair", "-o", "json")
    assert result.returncode == 8
    assert json.loads(result.stdout.splitlines()[-1]) == {"type": "result", "status": "expired", "exit_code": 8, "appliance": None}


def test_interrupt_stops_waiting_only(cli, site):
    site.answers[LIST] = answer()
    terminal = cli.terminal("appliance", "pair")
    terminal.wait_for("Waiting for the VMA")
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert not [request for request in site.requests if request[0] == "DELETE"]


def test_pair_needs_a_tunnel(cli, site):
    site.answers[LIST] = answer()
    site.answers[("POST", "/api/v1/appliances/pairings")] = Problem(409, "conflict", "this OMA has no tunnel", "Set tunnel.folder.")
    result = cli("appliance", "pair")
    assert result.returncode == 5 and "Set tunnel.folder." in result.stderr


def test_retire_wants_the_name(cli, site):
    assert cli("appliance", "retire", "leeds").returncode == 2
    wrong = cli("appliance", "retire", "leeds", "--confirm", "york")
    assert wrong.returncode == 2 and "the appliance is 'leeds'" in wrong.stderr
    assert not [request for request in site.requests if request[0] == "DELETE"]
    result = cli("appliance", "retire", "leeds", "--confirm", "leeds")
    assert result.returncode == 0 and result.stdout == "Retired leeds.\n"
    assert site.requests[-1][:2] == ("DELETE", "/api/v1/appliances/a-1")
    assert cli("appliance", "retire", "leeds", "--force", "--confirm", "leeds").returncode == 0
    assert site.requests[-1][:2] == ("DELETE", "/api/v1/appliances/a-1?force=true")


def test_retire_says_what_it_does(cli, site):
    terminal = cli.terminal("appliance", "retire", "leeds")
    terminal.wait_for("Type the appliance's name (leeds) to go on: ")
    assert "Syncs go through it" in terminal.screen
    terminal.type("leeds\n")
    assert terminal.wait() == 0
    other = cli.terminal("appliance", "retire", "york")
    other.wait_for("to go on: ")
    assert "Syncs go through it" not in other.screen
    other.type("\n")
    assert other.wait() == 2


def test_retire_is_refused_under_a_sync(cli, site):
    site.answers[("DELETE", "/api/v1/appliances/a-1")] = Problem(409, "conflict", "jobs go through leeds: sync j-1")
    assert cli("appliance", "retire", "leeds", "--confirm", "leeds").returncode == 5
