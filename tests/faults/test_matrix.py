"""A part of the fault matrix (matrix/): chosen by a seed so that every step, every process that is killed, every instant and
every fault of the simulators is in it. All of it: scripts/test --faults."""

import pytest

from matrix.campaign import Campaign, write_report
from matrix.cases import generate
from matrix.kinds import KINDS
from matrix.subset import subset, uncovered

SIZE = 32
LIMIT_S = 600  # for the next case to end


class Chosen:
    """The recordings, what was generated from them, and the campaign over the chosen part."""

    def __init__(self):
        self.campaign = Campaign()
        try:
            self.cases = generate(self.campaign.record(list(KINDS)))
        except BaseException:
            self.campaign.end()
            raise
        self.picked = subset(self.cases, SIZE)
        self.campaign.start(self.picked)


@pytest.fixture(scope="module")
def chosen():
    chosen = Chosen()
    try:
        yield chosen
    finally:
        chosen.campaign.end()
        print(write_report(chosen.campaign.results), f"of {len(chosen.cases)} in the whole matrix")


def test_the_chosen_cases_are_examples_of_everything(chosen):
    assert len(chosen.cases) > 10 * SIZE
    assert not uncovered(chosen.cases, chosen.picked)


@pytest.mark.parametrize("number", range(SIZE))
def test_case(chosen, number):
    """The cases in the order in which they end."""
    result = chosen.campaign.finished.get(timeout=LIMIT_S)
    assert result.verdict != "failed", f"{result.case}: {result.text}"
