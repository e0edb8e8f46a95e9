"""The kinds of operations, and where each may end. Data."""

import dataclasses

# Where a machine can stand: its status, how many machines, snapshots and clones per disk the cloud holds for it beyond what
# it holds for a machine that is ready, and whether the source runs.


@dataclasses.dataclass(frozen=True)
class Place:
    name: str
    status: str
    machines: int = 0
    snapshots: int = 0  # per disk
    clones: int = 0  # per disk
    source_runs: bool = True
    copy_is_whole: bool = False  # the replicas are at the appliance, untouched


PLACES = {place.name: place for place in (
    Place("ready", "ready_for_failover", copy_is_whole=True),
    Place("tested", "failed_over_test", machines=1, snapshots=1),
    Place("cloned", "failed_over_test", machines=1, snapshots=1, clones=1, copy_is_whole=True),
    Place("moved", "failed_over_live", machines=1, snapshots=1, source_runs=False),
    Place("committed", "committed", machines=1, source_runs=False))}

CLEANUP = "cleanup_required"


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    begins: str  # place
    ends: str  # place
    path: str  # of the API
    body: tuple = ()  # beside the machine
    is_repeatable: bool = False  # one that failed may also leave the machine where it was; the same again ends it

    def request(self, context_id):
        return {"context_id": context_id, **dict(self.body)}


KINDS = {kind.name: kind for kind in (
    Kind("test-in-place", "ready", "tested", "/api/v1/failover/test"),
    Kind("rollback-in-place", "tested", "ready", "/api/v1/failover/finish", (("verdict", "worked"),)),
    Kind("test-on-clones", "ready", "cloned", "/api/v1/failover/test", (("on_clones", True),)),
    Kind("rollback-on-clones", "cloned", "ready", "/api/v1/failover/finish", (("verdict", "worked"),)),
    Kind("live", "ready", "moved", "/api/v1/failover/live"),
    Kind("go-back", "moved", "ready", "/api/v1/failover/back"),
    Kind("commit", "moved", "committed", "/api/v1/failover/commit", is_repeatable=True))}


def way(begin, end):
    """The kinds that lead from one place to another without a fault; committed is left by a new machine only."""
    if begin == end:
        return []
    first = {"tested": "rollback-in-place", "cloned": "rollback-on-clones", "moved": "go-back"}
    then = {"tested": ["test-in-place"], "cloned": ["test-on-clones"], "moved": ["live"], "committed": ["live", "commit"], "ready": []}
    if begin == "moved" and end == "committed":
        return [KINDS["commit"]]
    names = ([] if begin == "ready" else [first[begin]]) + then[end]
    return [KINDS[name] for name in names]
