"""From the code that `migratekit appliance pair` shows to calls through the tunnel, and the end of the trust."""

import json

from two_sites import eventually


def reachable(sites, name):
    return sites.ask("appliance", "show", name)["reachable"]


def test_pair_and_speak_through_the_tunnel(sites, leeds):
    waiting = sites.start_cli("appliance", "pair", "-o", "json")
    invitation = json.loads(waiting.stdout.readline())
    typed = sites.type_code("leeds", invitation["code"])
    assert typed.returncode == 0, typed.stderr
    rest, messages = waiting.communicate(timeout=30)
    result = json.loads(rest)
    assert (waiting.returncode, result["status"], messages) == (0, "paired", "")
    # Both sides show the same two fingerprints.
    assert result["appliance"]["fingerprint_for_people"] in typed.stdout
    assert invitation["fingerprint_for_people"] in typed.stdout

    assert not reachable(sites, "leeds"), "it is paired, but not running yet"
    sites.run_vma("leeds")
    shown = eventually("leeds is connected", lambda: (answer := sites.ask("appliance", "show", "leeds"))["reachable"] and answer)
    assert (shown["version"], shown["version_matches"], shown["used"], shown["problem"]) == ("0.0.7", False, True, None)
    assert leeds.requests and all(allowed for *_, allowed in leeds.requests), "the token came with the pairing"
    peers = {peer["name"]: peer for peer in json.loads(sites.cli("status", "-o", "json").stdout)["peers"]}
    assert peers["vma"]["reachable"] and peers["vma"]["address"] == "tunnel to leeds"


def test_a_code_works_once(sites, leeds, york):
    code = sites.ask("appliance", "pair", "--no-wait")["code"]
    assert sites.type_code("leeds", code).returncode == 0
    assert sites.type_code("york", code).returncode != 0
    assert [one["name"] for one in sites.ask("appliance", "list")["appliances"]] == ["leeds"]


def test_without_a_pairing_the_remedy_is_told(sites):
    vma = json.loads(sites.cli("status", "-o", "json").stdout)["peers"][0]
    assert not vma["reachable"] and "migratekit appliance pair" in vma["problem"]


def test_another_pairing_leaves_the_first_in_use(sites, leeds, york):
    sites.pair("leeds")
    sites.run_vma("leeds")
    eventually("leeds is connected", lambda: reachable(sites, "leeds"))
    sites.pair("york")
    used = {one["name"]: one["used"] for one in sites.ask("appliance", "list")["appliances"]}
    assert used == {"leeds": True, "york": False}


def test_retiring_ends_the_trust_at_once(sites, leeds):
    sites.pair("leeds")
    sites.run_vma("leeds")
    eventually("leeds is connected", lambda: reachable(sites, "leeds"))
    assert sites.cli("appliance", "retire", "leeds", "--confirm", "leeds").returncode == 0
    assert sites.ask("appliance", "list")["appliances"] == []
    assert sites.cli("appliance", "show", "leeds").returncode == 3
    assert not json.loads(sites.cli("status", "-o", "json").stdout)["peers"][0]["reachable"]

    sites.pair("leeds")
    eventually("leeds is connected again, with a new code only", lambda: reachable(sites, "leeds"))
