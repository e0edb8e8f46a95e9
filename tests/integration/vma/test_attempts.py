"""Later attempts of a job and what they go on from; limits of jobs that run."""
import json
import os
import signal

from vmalab import new_job, wait_for

MIB = 1024 * 1024
SLOW_WRITES = ("--filter=delay", "wdelay=20")
LEAST_LIMIT = 65536


def write_pieces(vcenter):
    """Something to copy in every unit of the disk."""
    for unit in range(5):
        vcenter.write("off-one", 2000, unit * 32 * MIB + 4 * MIB, 2 * MIB)


def durable_bytes(checkpoint):
    if not checkpoint.exists():
        return 0
    lines = [json.loads(line) for line in checkpoint.read_text().splitlines()[1:]]
    return sum(length for line in lines for _, length, _ in line.get("runs", []))


def kill_when_something_is_durable(vma, replica, job):
    """The engine dies in the middle; what is durable by then stands in the checkpoint."""
    checkpoint = vma.checkpoint(replica.machine["instance_uuid"])
    wait_for(lambda: durable_bytes(checkpoint) > 0 or vma.progress(job)["state"] != "running", "the checkpoint")
    [engine] = vma.engines()
    os.kill(engine, signal.SIGKILL)
    assert vma.wait_end(job)["state"] == "interrupted"
    return checkpoint


def limited(**changes):
    """Slow enough to be interrupted while the units that are through become durable."""
    return {"bytes_per_second": MIB, **changes}


def test_the_next_attempt_goes_on_where_the_last_one_was_killed(vcenter, vma, replica):
    replica.sync(new_job())
    write_pieces(vcenter)
    job = replica.start(new_job(), **limited())
    kill_when_something_is_durable(vma, replica, job)

    vcenter.write("off-one", 2000, 150 * MIB, 65536)  # the source goes on, too
    end = replica.sync(job, attempt=2)
    replica.assert_equal()
    assert end["attempt"] == 2 and end["sync_type"] == "incremental"
    [disk] = [d for d in end["result"]["disks"] if d["disk_id"] == "disk-2000"]
    assert disk["resumed"] > 0 and disk["resumed"] + disk["sent"] >= 10 * MIB and disk["sent"] < 10 * MIB
    assert vcenter.snapshots("off-one") == []


def test_on_a_slow_line_the_beginning_of_a_unit_is_resumed(vcenter, vma, replica):
    replica.sync(new_job())
    vcenter.write("off-one", 2000, 64 * MIB, 24 * MIB)  # lies within one unit
    job = replica.start(new_job(), bytes_per_second=6 * MIB)
    wait_for(lambda: vma.progress(job)["done_bytes"] >= 10 * MIB, "the middle of the unit")
    [engine] = vma.engines()
    os.kill(engine, signal.SIGKILL)
    assert vma.wait_end(job)["state"] == "interrupted"
    end = replica.sync(job, attempt=2)
    replica.assert_equal()
    [disk] = [d for d in end["result"]["disks"] if d["disk_id"] == "disk-2000"]
    assert disk["resumed"] >= 2 * MIB and disk["resumed"] + disk["sent"] >= 24 * MIB


def test_another_job_goes_on_as_well_when_it_took_over_the_session(vcenter, vma, replica):
    replica.sync(new_job())
    write_pieces(vcenter)
    kill_when_something_is_durable(vma, replica, replica.start(new_job(), **limited()))
    end = replica.sync(new_job())
    replica.assert_equal()
    assert end["attempt"] == 1 and sum(d["resumed"] for d in end["result"]["disks"]) > 0


def test_after_the_death_of_the_service_the_next_attempt_goes_on(vcenter, vma, replica):
    replica.sync(new_job())
    write_pieces(vcenter)
    job = replica.start(new_job(), **limited())
    checkpoint = vma.checkpoint(replica.machine["instance_uuid"])
    wait_for(lambda: durable_bytes(checkpoint) > 0, "the checkpoint")
    vma.process.kill()
    wait_for(lambda: vcenter.snapshots("off-one") == [], "the engine's clean-up")
    vma.start()
    assert vma.progress(job)["state"] == "interrupted"
    end = replica.sync(job, attempt=2)
    replica.assert_equal()
    assert sum(d["resumed"] for d in end["result"]["disks"]) > 0


def test_without_its_checkpoint_a_pass_begins_anew(vcenter, vma, replica):
    replica.sync(new_job())
    write_pieces(vcenter)
    job = replica.start(new_job(), **limited())
    path = f"/api/v1/checkpoints/{replica.machine['instance_uuid']}"
    vma.wait_stage(job, "Copying")
    assert vma.call("DELETE", path)[0] == 409
    checkpoint = kill_when_something_is_durable(vma, replica, job)
    assert vma.call("DELETE", path) == (204, None)
    assert not checkpoint.exists()
    assert vma.call("DELETE", path) == (204, None)
    end = replica.sync(job, attempt=2)
    replica.assert_equal()
    assert all(d["resumed"] == 0 for d in end["result"]["disks"])


def test_an_attempt_starts_once_and_none_while_another_one_runs(vcenter, vma, replica):
    replica.serve(*SLOW_WRITES)
    job = replica.start(new_job())
    vma.wait_stage(job, "Copying")
    assert vma.call("POST", "/api/v1/replicate", replica.order(job))[0] == 202
    status, problem = vma.call("POST", "/api/v1/replicate", replica.order(job, attempt=2))
    assert status == 409 and "attempt 1" in problem["detail"]
    assert len(vma.engines()) == 1
    vma.call("POST", f"/api/v1/jobs/{job}/stop")
    assert vma.wait_end(job)["state"] == "cancelled"
    assert vma.call("POST", "/api/v1/replicate", replica.order(job))[0] == 202
    assert vma.progress(job)["state"] == "cancelled" and vma.progress(job)["attempt"] == 1
    replica.serve()
    assert replica.sync(job, attempt=2)["attempt"] == 2
    replica.assert_equal()


def test_a_running_job_is_limited_and_let_loose(vcenter, vma, replica):
    replica.sync(new_job())
    write_pieces(vcenter)
    job = replica.start(new_job(), bytes_per_second=LEAST_LIMIT)
    wait_for(lambda: vma.progress(job)["sent_bytes"] > 0, "the first bytes")
    # 10 MiB would take minutes: it is still there to be let loose.
    assert vma.call("PUT", f"/api/v1/jobs/{job}/limit", {"bytes_per_second": 0}) == (204, None)
    end = vma.wait_end(job)
    assert end["state"] == "completed" and end["sent_bytes"] >= 10 * MIB
    replica.assert_equal()
    assert vma.call("PUT", f"/api/v1/jobs/{job}/limit", {"bytes_per_second": 0})[0] == 409


def test_the_limit_of_all_jobs_holds_over_a_restart(vcenter, vma, replica):
    assert vma.call("PUT", "/api/v1/limit", {"bytes_per_second": LEAST_LIMIT}) == (204, None)
    assert vma.call("PUT", "/api/v1/limit", {"bytes_per_second": 1})[0] == 400
    assert vma.stop() == 0
    vma.start()
    write_pieces(vcenter)
    job = replica.start(new_job())
    wait_for(lambda: vma.progress(job)["sent_bytes"] > 0, "the first bytes")
    assert vma.call("PUT", "/api/v1/limit", {"bytes_per_second": 0}) == (204, None)
    assert vma.wait_end(job)["state"] == "completed"
    replica.assert_equal()
