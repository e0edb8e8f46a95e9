"""One clean run of every kind: its steps in the JobLog, and what each side was asked to change inside each step."""

import dataclasses
import datetime
import json

from matrix.kinds import KINDS

SITES = ("cloudstack", "vcenter")
# Calls that only look, but in the middle of something that is worth a disturbance.
NOTABLE = {"vcenter": ("QueryChangedDiskAreas",)}


@dataclasses.dataclass(frozen=True)
class Command:
    site: str
    name: str
    nth: int  # among all of that name since the operation began
    is_job: bool  # asynchronous at the other side
    is_change: bool
    calls_before: int  # of any name, at that site


@dataclasses.dataclass(frozen=True)
class Step:
    name: str
    commands: tuple


@dataclasses.dataclass(frozen=True)
class Recording:
    kind: str
    steps: tuple


def instant(text):
    """Fractions of a second may have nine digits, which fromisoformat does not take."""
    head, _, fraction = text.rstrip("Z").partition(".")
    return (datetime.datetime.fromisoformat(head) - datetime.datetime(1970, 1, 1)).total_seconds() + float("0." + (fraction or "0"))


def commands_of(site_name, calls):
    """In the order of their arrival, numbered by name."""
    numbers, found = {}, []
    for index, call in enumerate(sorted(calls, key=lambda c: c["at"])):
        numbers[call["command"]] = numbers.get(call["command"], 0) + 1
        if call["changing"] or call["command"] in NOTABLE.get(site_name, ()):
            found.append((instant(call["at"]), Command(site_name, call["command"], numbers[call["command"]], call["job"],
                                                        call["changing"], index)))
    return found


def attribute(job, timed_commands):
    """Each command to the last step that had begun when it arrived."""
    steps = [s for s in job["steps"] if s["started_at"]]
    begun = [instant(s["started_at"]) for s in steps]
    inside = [[] for _ in steps]
    for at, command in sorted(timed_commands, key=lambda pair: pair[0]):
        index = max((i for i, start in enumerate(begun) if start <= at), default=0)
        inside[index].append(command)
    return tuple(Step(s["name"], tuple(commands)) for s, commands in zip(steps, inside))


def reset_logs(subject):
    for site in SITES:
        subject.site.operate(site, "commands", reset="true")


def record(subject, kind):
    """Carries the kind out; the machine stands where the kind begins."""
    reset_logs(subject)
    job = subject.carry_out(kind)
    found = []
    for site in SITES:
        found += commands_of(site, json.loads(subject.site.operate(site, "commands", reset="true"))["commands"])
    return Recording(kind.name, attribute(job, found))


# Every kind once, each where the one before it ends. One round is made on one site.
ROUNDS = (("test-in-place", "rollback-in-place"), ("test-on-clones", "rollback-on-clones"), ("live", "go-back", "live", "commit"))


def record_round(driver, names, wanted):
    """Recordings by kind, of those that are wanted; what leads to them is carried out."""
    recordings = {}
    for name in names:
        if name in wanted and name not in recordings:
            driver.go_to(KINDS[name].begins)
            recordings[name] = record(driver.subject, KINDS[name])
            driver.place = KINDS[name].ends
    driver.go_to("ready")
    return recordings


def to_json(recordings):
    return json.dumps({name: dataclasses.asdict(r) for name, r in recordings.items()}, indent=1)


def from_json(text):
    def step(entry):
        return Step(entry["name"], tuple(Command(**c) for c in entry["commands"]))

    return {name: Recording(r["kind"], tuple(step(s) for s in r["steps"])) for name, r in json.loads(text).items()}
