#pragma once
// How a limit is divided among those who share it. Pure computation.

#include <vector>

#include "base/bytes.hpp"

namespace mk::vma {

/// Who shares. The weight doubles with every 25 points of priority: from 1/16 at -100 to 16 at 100.
struct Claim {
    int priority = 0;
    Bytes cap = 0;             ///< it must not get more; 0: as much as there is
    Bytes demand = 0;          ///< it will hardly use more
    bool asks_for_all = true;  ///< its demand is not known, or more than it could get: `demand` does not count
};

/// The share of each claim of `total` (more than 0), weighted max-min fair: nobody gets more unless everybody who has
/// less for its weight has what it asks for. What all demands together leave over is divided the same way, up to the
/// caps, so that everybody has room to grow.
/// Always true: the sum is at most `total`; it is `total` but for a byte per claim unless every claim has its cap; no
/// share is above its cap; nobody gets less than its part by weight, unless it asks for less.
std::vector<Bytes> fair_shares(Bytes total, const std::vector<Claim>& claims);

}  // namespace mk::vma
