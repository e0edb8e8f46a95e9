"""The instant of a case: waited for exactly, then the process is killed, and comes back."""

import json
import os
import signal
import time

from installation import wait_for

from matrix.subject import FINAL, require

MOMENT_LIMIT_S = 120
CLIENT_GONE_S = 0.5  # until a simulator has noticed that its client died; if it was not its client, that never comes


def ask(subject, site, operation, **parameters):
    return json.loads(subject.site.operate(site, operation, **parameters))


def has_ended(subject, job_id):
    job = subject.job_if_there(job_id)
    return bool(job) and job["status"] in FINAL


def held(subject, case, job_id):
    while True:
        if ask(subject, case.moment, "hold_wait", ms=500)["held"]:
            return True
        if has_ended(subject, job_id):
            return bool(ask(subject, case.moment, "hold_wait", ms=0)["held"])


def tool_hangs(subject, job_id):
    return wait_for("the guest tool", lambda: subject.tools.waiting() or has_ended(subject, job_id), MOMENT_LIMIT_S, 0.02) and bool(
        subject.tools.waiting())


def step_is(subject, job_id, name, statuses):
    """Looks as often as it can: such an instant is short. A step that is past it is late, not missed."""
    deadline = time.monotonic() + MOMENT_LIMIT_S
    while time.monotonic() < deadline:
        job = subject.job_if_there(job_id) or {"steps": [], "status": ""}
        if any(s["name"] == name and s["status"] in statuses for s in job["steps"]) or job["status"] in FINAL:
            return True
    return False


def wait_for_moment(subject, case, job_id):
    if case.moment in ("cloudstack", "vcenter"):
        reached = held(subject, case, job_id)
    elif case.moment == "tool":
        reached = tool_hangs(subject, job_id)
    else:
        over = ("completed", "warning", "failed", "skipped", "cancelled")
        reached = step_is(subject, job_id, case.step, over if case.moment == "ended" else ("running", *over))
    require(reached, "the operation ended, and the instant of this case had not come")


def kill(subject, victim):
    """Returns what brings it back."""
    if victim == "engine":
        pids = subject.site.engine_pids()
        require(pids, "no engine runs at the instant of this case")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return lambda: None
    subject.site.kill(victim)
    return lambda: subject.site.start(victim)


def release(subject, case):
    if case.moment in ("cloudstack", "vcenter"):
        deadline = time.monotonic() + CLIENT_GONE_S
        while time.monotonic() < deadline and not all(h["client_gone"] for h in ask(subject, case.moment, "hold_wait", ms=0)["held"]):
            time.sleep(0.01)
        ask(subject, case.moment, "hold_release")
    elif case.moment == "tool":
        subject.tools.reset()


def arm(subject, case):
    if case.tool == "fail":
        subject.tools.plan(fail="virt-v2v-in-place: error: no root device found in this operating system image")
    elif case.tool:
        subject.tools.plan(hang=case.tool)
    for site, name, parameters in case.faults:
        subject.site.fault(site, name, **dict(parameters))


def strike(subject, case, job_id):
    """Waits for the instant, kills the victim and brings it back. The status must be consistent soon after."""
    if not case.victim:
        return
    wait_for_moment(subject, case, job_id)
    bring_back = kill(subject, case.victim)
    if case.restart_first:
        bring_back()
        release(subject, case)
    else:
        release(subject, case)
        bring_back()
    subject.becomes_consistent()


def disarm(subject, case):
    """What the faults met; then all are off and everything goes on."""
    struck = []
    for site in {site for site, _, _ in case.faults}:
        armed = {a["name"]: a for a in subject.site.control(site, "/faults")["armed"]}
        # Those of the CloudStack simulator count; the vCenter's vanish when they are used up.
        struck += [name for name, a in armed.items() if a.get("struck")] if site == "cloudstack" else [
            name for of, name, _ in case.faults if of == site and name not in armed]
    subject.site.clear_faults()
    subject.tools.reset()
    return set(struck)
