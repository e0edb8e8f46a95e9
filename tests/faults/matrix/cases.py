"""What is tried, generated from the recordings: every step and every changing command, disturbed in every way that applies."""

import dataclasses

OMA_SIDE = ("oma-api", "volume-daemon")
SOURCE_SIDE = ("vma-api",)
# When a process is killed, relative to the effect of a command, and the simulator's word for that instant.
INSTANTS = (("before", "request"), ("during", "transitional"), ("after", "answer"))
MANAGEMENT_POINTS = ("queued", "transitional", "during", "host", "done")
COPYING = ("createSnapshot", "revertSnapshot")
# Steps in which the guest tool runs, and the step of a pass in which the engine copies.
TOOL_STEP, COPY_STEP = "virtio-injection", "copy"


@dataclasses.dataclass(frozen=True)
class Case:
    kind: str
    step: str
    name: str
    faults: tuple = ()  # (simulator, fault, ((parameter, value), ...)), armed before the operation is started
    victim: str = ""  # the process that is killed; none: only the faults act
    moment: str = ""  # what is waited for: "cloudstack" or "vcenter" (something is held), "tool", "begun", "ended" (the step)
    tool: str = ""  # where the guest tool hangs, or "fail"
    restart_first: bool = False  # the victim is back before what is held goes on
    may_miss: bool = False  # whether the fault meets something is up to the run

    @property
    def id(self):
        return f"{self.kind}/{self.step}/{self.name.replace(' ', '-')}"

    @property
    def traits(self):
        """What it is an example of; the subset of CI has every trait at least once."""
        found = {("kind", self.kind), ("step", self.step)}
        if self.victim:
            found |= {("process", self.victim), ("instant", self.name.split(" ")[1])}
        found |= {("fault", name) for _, name, _ in self.faults if name != "hold"}
        return found


def fault(site, name, **parameters):
    return (site, name, tuple(sorted(parameters.items())))


def kills_at_command(kind, step, command):
    victims = OMA_SIDE if command.site == "cloudstack" else ("oma-api", *SOURCE_SIDE)
    key = "command" if command.site == "cloudstack" else "method"
    for victim in victims:
        for word, point in INSTANTS:
            if point == "transitional" and (command.site == "vcenter" or not command.is_job):
                continue  # there is nothing between arrival and answer
            hold = fault(command.site, "hold", **{key: command.name, "nth": command.nth, "at": point})
            yield Case(kind, step, f"{victim} {word} {command.name} {command.nth}", (hold,), victim, command.site,
                       restart_first=word == "during")


def engine_kills(kind, step, command):
    hold = fault("vcenter", "hold", method=command.name, nth=command.nth, at="request")
    for victim in ("engine", "vma-api"):
        yield Case(kind, step, f"{victim} during {command.name} {command.nth}", (hold,), victim, "vcenter")


def kills_at_step(kind, step):
    for victim in OMA_SIDE:
        for moment, word in (("begun", "before"), ("ended", "after")):
            yield Case(kind, step, f"{victim} {word} the-step", victim=victim, moment=moment)


def tool_cases(kind):
    for victim in OMA_SIDE:
        for word, point in (("before", "start"), ("during", "middle"), ("after", "end")):
            yield Case(kind, TOOL_STEP, f"{victim} {word} the-guest-tool", victim=victim, moment="tool", tool=point)
    yield Case(kind, TOOL_STEP, "the guest tool fails", tool="fail")


def management_kills(kind, step, command):
    for point in MANAGEMENT_POINTS:
        if point == "during" and command.name not in COPYING:
            continue  # no copy to be in the middle of
        armed = fault("cloudstack", "kill_management", command=command.name, nth=command.nth, at=point, down_ms=1500)
        yield Case(kind, step, f"cloudstack {point} {command.name} {command.nth}", (armed,))


def switches(kind, step, command):
    """Every fault of the CloudStack simulator at a command where it applies."""
    at = {"command": command.name, "nth": command.nth}
    found = {"drop_request": at, "drop_answer": at, "fail_command": at, "unavailable": {**at, "times": 2},
             "rate_limit": {**at, "times": 4, "ms": 200}}
    variants = list(found.items())
    if command.is_job:
        variants += [("fail_job", {**at, "when": when}) for when in ("before", "after")]
        variants += [("lose_job_result", {**at, "done": done}) for done in ("false", "true")]
    own = {"startVirtualMachine": [("capacity", at)], "createSnapshot": [("snapshot_error", {"nth": command.nth})],
           "revertSnapshot": [("revert_partial", {"nth": command.nth})]}
    variants += own.get(command.name, [])
    for name, parameters in variants:
        word = " ".join([name, *(str(parameters[k]) for k in ("when", "done") if k in parameters)])
        yield Case(kind, step, f"{word} {command.name} {command.nth}", (fault("cloudstack", name, **parameters),))


def device_switches(kind, step, names):
    """Faults that meet devices, not commands: whether one is met depends on where the volume is."""
    if "detachVolume" in names:
        yield Case(kind, step, "refuse_unplug twice", (fault("cloudstack", "refuse_unplug", times=2),), may_miss=True)
        yield Case(kind, step, "refuse_unplug late", (fault("cloudstack", "refuse_unplug", times=1, late_ms=1500),), may_miss=True)
    if "attachVolume" in names:
        yield Case(kind, step, "late_device", (fault("cloudstack", "late_device", times=1, ms=2000),), may_miss=True)


def source_switches(kind, step, command):
    for when in ("before", "after"):
        cut = fault("vcenter", "drop_connection", method=command.name, nth=command.nth, when=when)
        yield Case(kind, step, f"drop_connection {when} {command.name} {command.nth}", (cut,))
    expired = fault("vcenter", "session_expire", after_calls=max(1, command.calls_before))
    yield Case(kind, step, f"session_expire {command.name} {command.nth}", (expired,), may_miss=True)


def chosen(commands):
    """Of several of one name in a step: the first, where nothing is done yet, and the last, where all but one is."""
    by_name = {}
    for command in commands:
        by_name.setdefault((command.site, command.name), []).append(command)
    return [command for group in by_name.values() for command in dict.fromkeys((group[0], group[-1]))]


def cases_of(recording):
    kind = recording.kind
    for step in recording.steps:
        changes = [c for c in step.commands if c.is_change]
        if not changes:
            yield from kills_at_step(kind, step.name)
        if step.name == TOOL_STEP:
            yield from tool_cases(kind)
        for command in chosen(step.commands):
            if not command.is_change:
                yield from engine_kills(kind, step.name, command)
                continue
            yield from kills_at_command(kind, step.name, command)
            if command.site == "vcenter":
                yield from source_switches(kind, step.name, command)
                continue
            if command.is_job:
                yield from management_kills(kind, step.name, command)
            yield from switches(kind, step.name, command)
        yield from device_switches(kind, step.name, {c.name for c in changes})
    yield Case(kind, recording.steps[0].name, "clock_skew", (fault("cloudstack", "clock_skew", seconds=3600),))


def generate(recordings):
    """All cases, each once, in an order that does not depend on anything but the recordings."""
    found = {}
    for name in sorted(recordings):
        for case in cases_of(recordings[name]):
            found.setdefault(case.id, case)
    return list(found.values())
