#include "appliance/vma/fair_shares.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mk::vma {

namespace {

/// That every double up to here fits into Bytes.
constexpr double largest = 9e18;
constexpr double without_end = std::numeric_limits<double>::infinity();
/// Points of priority that double the weight: the extremes differ by a factor of 256, and nobody starves.
constexpr double doubling = 25.0;

double weight_of(const Claim& claim) {
    return std::exp2(claim.priority / doubling);
}

double cap_of(const Claim& claim) {
    return claim.cap == 0 ? without_end : static_cast<double>(claim.cap);
}

double wanted_by(const Claim& claim) {
    return claim.asks_for_all ? cap_of(claim) : std::min(cap_of(claim), static_cast<double>(claim.demand));
}

/// Raises `shares` towards `limits` as water rises in vessels as wide as the weights, until `left` is used up. Returns
/// what is left when all are full.
double fill(double left, const std::vector<Claim>& claims, const std::vector<double>& limits,
            std::vector<double>& shares) {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < claims.size(); ++i) {
        if (shares[i] < limits[i]) {
            open.push_back(i);
        }
    }
    while (!open.empty() && left > 0) {
        double weights = 0;
        for (const std::size_t i : open) {
            weights += weight_of(claims[i]);
        }
        const double per_weight = left / weights;
        // Those who are full before the water is at an end leave the rest to the others.
        const auto first_open = std::partition(open.begin(), open.end(), [&](std::size_t i) {
            return limits[i] - shares[i] <= per_weight * weight_of(claims[i]);
        });
        const bool is_last_round = first_open == open.begin();
        for (auto at = open.begin(); at != (is_last_round ? open.end() : first_open); ++at) {
            const double more = is_last_round ? per_weight * weight_of(claims[*at]) : limits[*at] - shares[*at];
            shares[*at] += more;
            left -= more;
        }
        open.erase(open.begin(), is_last_round ? open.end() : first_open);
    }
    return left;
}

}  // namespace

std::vector<Bytes> fair_shares(Bytes total, const std::vector<Claim>& claims) {
    std::vector<double> wanted;
    std::vector<double> caps;
    for (const Claim& claim : claims) {
        wanted.push_back(wanted_by(claim));
        caps.push_back(cap_of(claim));
    }
    std::vector<double> shares(claims.size(), 0.0);
    const double left = fill(static_cast<double>(total), claims, wanted, shares);
    fill(left, claims, caps, shares);

    std::vector<Bytes> whole;
    Bytes given = 0;
    for (const double share : shares) {
        // Rounded down, and never beyond what is there whatever the rounding of doubles did.
        whole.push_back(std::min(static_cast<Bytes>(std::min(share, largest)), total - given));
        given += whole.back();
    }
    return whole;
}

}  // namespace mk::vma
