"""Paired runs: in each round every contestant of a workload runs once, one after the other; ratios are formed within a
round, so that whatever else the machine does hits all of them alike. What is reported is the median over the rounds."""

import dataclasses
import statistics
import traceback
import typing

from images import GIB
from processes import Failed, Sample

OURS = "ours"


@dataclasses.dataclass
class Contestant:
    """`run` starts servers, runs the client once, and returns its Sample."""

    name: str
    run: typing.Callable[[], Sample]
    goal: float | None = None  # the ratio (its time / ours) that must be reached
    settings: str = ""


@dataclasses.dataclass
class Workload:
    """Contestants over the same content. `check` is called after the first run of ours and raises Failed."""

    name: str
    moved: int  # bytes that arrive; for processor seconds per GiB
    contestants: list
    check: typing.Callable[[], None] = lambda: None
    note: str = ""
    floor: str = ""


@dataclasses.dataclass
class Figure:
    """Something that is no comparison of times."""

    name: str
    measured: float
    unit: str
    goal: float
    note: str = ""
    parts: list = dataclasses.field(default_factory=list)  # rows of a table: dictionaries with the same keys

    def holds(self):
        return self.measured <= self.goal


def measure(workload, repeats, say):
    """Returns (rows, failures) of one workload. Ours runs once before the rounds: that warms up everybody's content, and
    its result is checked. Each round begins with another contestant."""
    samples = {contestant.name: [] for contestant in workload.contestants}
    failures = []
    broken = set()

    def attempt(contestant, act):
        if contestant.name in broken:
            return None
        try:
            return act()
        except (Failed, OSError) as failure:
            reason = str(failure)
        except Exception:  # a fault of the benchmark itself must not hide the other rows
            reason = traceback.format_exc()
        broken.add(contestant.name)
        failures.append(f"{workload.name}, {contestant.name}: {reason}")
        say(f"  {contestant.name} FAILED: {reason}")
        return None

    own = next(contestant for contestant in workload.contestants if contestant.name == OURS)
    attempt(own, lambda: (own.run(), workload.check()))
    for number in range(repeats):
        first = number % len(workload.contestants)
        for contestant in workload.contestants[first:] + workload.contestants[:first]:
            sample = attempt(contestant, contestant.run)
            if sample:
                samples[contestant.name].append(sample)
                say(f"  {number + 1}/{repeats} {contestant.name}: {sample.wall_s:.3f} s, {sample.cpu_s:.2f} CPU s")
    return rows_of(workload, samples), failures


def rows_of(workload, samples):
    """One row for every peer that ran as often as ours, or rows without ours when ours did not run."""
    ours = samples.get(OURS, [])
    rows = []
    for contestant in workload.contestants:
        theirs = samples[contestant.name]
        if contestant.name == OURS or not theirs:
            continue
        pairs = list(zip(theirs, ours))
        ratio = statistics.median(peer.wall_s / own.wall_s for peer, own in pairs) if pairs else None
        rows.append({
            "workload": workload.name,
            "peer": contestant.name,
            "settings": contestant.settings,
            "ours_s": median(ours, "wall_s"),
            "peer_s": median(theirs, "wall_s"),
            "ratio": round(ratio, 3) if ratio else None,
            "goal": contestant.goal,
            "rounds": len(pairs),
            "spread": spread(pairs),
            "ours_cpu_s_per_gib": per_gib(ours, workload.moved),
            "peer_cpu_s_per_gib": per_gib(theirs, workload.moved),
            "ours_memory_mib": mebibytes(ours, "client_kib"),
            "peer_memory_mib": mebibytes(theirs, "client_kib"),
            "ours_server_memory_mib": mebibytes(ours, "server_kib"),
            "peer_server_memory_mib": mebibytes(theirs, "server_kib"),
            "moved_bytes": workload.moved,
        })
    return rows


def spread(pairs):
    ratios = sorted(peer.wall_s / own.wall_s for peer, own in pairs)
    return [round(ratios[0], 3), round(ratios[-1], 3)] if ratios else None


def median(samples, field):
    return round(statistics.median(getattr(sample, field) for sample in samples), 4) if samples else None


def per_gib(samples, moved):
    return round(statistics.median(sample.cpu_s for sample in samples) / (moved / GIB), 3) if samples else None


def mebibytes(samples, field):
    return round(max(getattr(sample, field) for sample in samples) / 1024, 1) if samples else None
