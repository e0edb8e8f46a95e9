"""The part of the matrix that fits into CI: chosen by a seed, spread out over everything that a case can be an example of."""

import random
from collections import Counter

# The same cases in every run: a failure of CI can be looked at again. Another seed chooses others.
SEED = 12


def subset(cases, size, seed=SEED):
    """At most `size` cases: first those that add the rarest traits, then others from everywhere."""
    shuffled = random.Random(seed).sample(cases, len(cases))
    frequency = Counter(trait for case in cases for trait in case.traits)
    picked, covered = [], set()
    while shuffled and len(picked) < size:
        # The first of several that add as much, so a random one.
        best = max(shuffled, key=lambda c: sum(1 / frequency[trait] for trait in c.traits - covered))
        shuffled.remove(best)
        picked.append(best)
        covered |= best.traits
    return picked


def uncovered(cases, picked):
    """Traits that no picked case has."""
    every = set().union(*(c.traits for c in cases))
    return every - set().union(*(c.traits for c in picked))
