"""A live failover that is committed: the machine and its volumes belong to the operator from then on."""

VM = "off-one"


def test_a_committed_machine_keeps_its_volumes(quick_site):
    site = quick_site
    if VM not in {m["name"] for m in site.cli_json("vm", "list")["vms"]}:
        site.cli("vm", "add", VM)
    site.cli("sync", "start", VM, "--wait")
    # The disks hold no operating system: the drivers cannot be added, which is a warning in a live failover (G11).
    moved = site.run_cli("failover", "live", VM, "--confirm", VM, "--wait")
    assert moved.returncode == 7, moved.stderr
    machine = site.cli_json("vm", "show", VM)
    assert machine["status"] == "failed_over_live"
    held = {d["volume_id"] for d in machine["disks"]}

    site.cli("failover", "commit", VM, "--confirm", VM, "--wait")
    assert site.cli_json("vm", "show", VM)["status"] == "committed"
    refused = site.run_cli("failover", "back", VM, "--confirm", VM)
    assert refused.returncode == 5
    site.cli("vm", "remove", VM, "--confirm", VM)

    cloud = site.control("cloudstack")
    assert held <= {v["id"] for v in cloud["volumes"] if v["state"] == "Ready"}
    assert [m["state"] for m in cloud["vms"] if m["name"] == VM] == ["Running"]
    assert not [s for s in cloud["snapshots"] if s.get("state") != "Destroyed"]
    assert site.api("GET", "/api/v1/ledger")[1]["entries"] == []
