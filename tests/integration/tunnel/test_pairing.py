"""Pairing and unpairing, with real programs."""
import stat

from tunnellab import TUNNEL, wait_for


def test_both_sides_show_the_same_fingerprints(oma, vma):
    done = vma.pair(oma, oma.invite())
    assert done.returncode == 0, done.stderr
    shown = [line.replace(" ", "") for line in vma.log_of_pairing(done.stdout)]
    assert shown == [oma.status()["fingerprint"], vma.status()["fingerprint"]]
    [at_oma] = oma.status()["pairings"]
    [at_vma] = vma.status()["pairings"]
    assert at_oma["appliance_id"] == "vma-1" and at_oma["name"] == "lab-vma"
    assert at_oma["fingerprint"] == vma.status()["fingerprint"]
    assert at_vma["name"] == "lab-oma" and at_vma["address"] == oma.address
    assert at_vma["fingerprint"] == oma.status()["fingerprint"]


def test_the_token_is_handed_over_and_nobody_else_can_read_it(oma, vma):
    assert vma.pair(oma, oma.invite()).returncode == 0
    kept = oma.folder / "tunnel" / "pairings" / "vma-1.json"
    assert "token of vma-api" in kept.read_text()
    for path in (oma.folder / "tunnel").rglob("*"):
        # The certificate is what everybody may see; nothing is readable for others all the same.
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert "token" not in oma.run(TUNNEL, "status", "--json", "--config", oma.settings).stdout.replace("token_file", "")
    assert "token of" not in oma.log("gateway")


def test_without_an_invitation_the_port_says_nothing(oma, vma):
    refused = vma.pair(oma, "AAAAA-AAAAA-AAAAA-AAAAA")
    assert refused.returncode == 1
    assert "Is a code open" in refused.stderr


def test_wrong_codes_pair_nobody_and_do_not_end_the_invitation(oma, vma):
    code = oma.invite()
    for _ in range(5):
        refused = vma.pair(oma, "AAAAA-AAAAA-AAAAA-AAAAA")
        assert refused.returncode == 1 and "does not accept the code" in refused.stderr
    assert oma.status()["pairings"] == [] and vma.status()["pairings"] == []
    assert vma.pair(oma, code).returncode == 0
    assert code not in oma.log("gateway")


def test_a_code_works_once(oma, vma):
    code = oma.invite()
    assert vma.pair(oma, code).returncode == 0
    assert vma.pair(oma, code).returncode == 1


def test_a_typed_code_may_be_untidy(oma, vma):
    assert vma.pair(oma, oma.invite().lower().replace("-", " ")).returncode == 0


def test_unpairing_refuses_and_cuts(paired):
    oma, vma = paired
    wait_for(lambda: oma.ask(), "the first request")
    transfer = vma.dial(rounds=1_000_000)
    transfer.next_round()
    assert oma.unpair("vma-1").returncode == 0
    end, code = transfer.end(limit=10)
    assert code == 1 and end["error"] == "unavailable"
    end, code = vma.dial().end()
    assert code == 1 and end["error"] == "forbidden" and end["native"] == "Refused"
    wait_for(lambda: not (oma.folder / "control" / "vma-1.sock").exists(), "the socket to vanish")
    assert oma.unpair("vma-1").returncode == 1


def test_an_unpaired_appliance_is_told_what_to_do(vma):
    end, code = vma.dial().end()
    assert code == 1 and end["error"] == "conflict" and end["native"] == "NotPaired"
