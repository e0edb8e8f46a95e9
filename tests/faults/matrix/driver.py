"""One case: from a clean place through the disturbance to one of the declared ends."""

import dataclasses

from matrix.kinds import CLEANUP, KINDS, way
from matrix.strike import arm, disarm, strike
from matrix.subject import WELL, Broken, require, resting


@dataclasses.dataclass
class Result:
    case: str
    verdict: str  # "passed", "failed", or "missed": the fault met nothing, as it may
    text: str = ""
    seconds: float = 0.0


class Driver:
    """Drives one machine from case to case. `place` is where it stands."""

    def __init__(self, subject):
        self.subject = subject
        self.place = "ready"

    def go_to(self, place):
        """Without faults."""
        if self.place == "committed" and place != "committed":
            self.subject.renew()
            self.place = "ready"
        for kind in way(self.place, place):
            self.subject.carry_out(kind)
            self.place = kind.ends

    def run(self, case):
        """Returns what the fault met nothing of, or nothing. Raises when an undeclared end was reached."""
        kind = KINDS[case.kind]
        self.go_to(kind.begins)
        arm(self.subject, case)
        job_id, refusal = self.subject.start(kind)
        if job_id:
            strike(self.subject, case, job_id)
            job = self.subject.end_of(job_id)
        missed = self.missed(case, disarm(self.subject, case))
        if job_id:
            self.conclude(kind, job)
        else:
            require(not case.victim, f"refused before the instant of this case: {refusal}")
            self.place = kind.begins  # refused: nothing may have changed
        self.subject.stands_at(self.place)
        return missed

    @staticmethod
    def missed(case, struck):
        wanted = {name for _, name, _ in case.faults} - {"hold", "clock_skew"}  # these have no command to meet
        unmet = wanted - struck
        require(not unmet or case.may_miss, f"the fault met nothing: {sorted(unmet)}")
        return bool(unmet)

    def conclude(self, kind, job):
        """The declared ends: well, or failed with a machine that is ready, or that one cleanup makes ready; an operation that
        is repeatable may also have left everything where it began, and then ends well."""
        shown = self.subject.show()
        if job["status"] in WELL:
            self.place = kind.ends
            return
        require(job["error"] and job["error"].get("message"), f"failed without a reason: {self.subject.story(job)}")
        found = resting(shown, ["ready", kind.begins])
        if found == CLEANUP:
            self.subject.clean_up()
            self.place = "ready"
        elif found == kind.begins and kind.is_repeatable:
            self.subject.carry_out(kind)
            self.place = kind.ends
        elif found == "ready":
            self.place = "ready"
        else:
            raise Broken(f"not a declared end: the machine is {shown['status']}; {self.subject.story(job)}")
