// The areas that change tracking tells, in any order and of any size: whatever they are, the plan covers each byte of
// them that lies on the disk, stays on the disk, and is proven by the engine's own check.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "engine/planner.hpp"

namespace {

using mk::Bytes;
using mk::Range;

/// Numbers out of the input, zeros behind its end.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : left_(data, size) {}
    bool empty() const { return left_.empty(); }
    std::uint64_t number() {
        std::uint64_t value = 0;
        const auto taken = left_.first(left_.size() < sizeof value ? left_.size() : sizeof value);
        std::memcpy(&value, taken.data(), taken.size());
        left_ = left_.subspan(taken.size());
        return value;
    }

  private:
    std::span<const std::uint8_t> left_;
};

void require(bool is_true) {
    if (!is_true) {
        std::abort();
    }
}

void check(const mk::engine::Plan& plan, const std::vector<Range>& told) {
    mk::engine::prove_coverage(plan);
    for (const Range& range : told) {
        if (range.length == 0 || range.offset >= plan.capacity) {
            continue;
        }
        const Bytes last = range.length > plan.capacity - range.offset ? plan.capacity - 1 : range.end() - 1;
        bool holds_first = false;
        bool holds_last = false;
        for (const Range& area : plan.areas) {
            holds_first = holds_first || (area.offset <= range.offset && range.offset < area.end());
            holds_last = holds_last || (area.offset <= last && last < area.end());
        }
        require(holds_first && holds_last);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input(data, size);
    const Bytes capacity = (input.number() % (64 * 1024 * mk::GiB) / 512 + 1) * 512;
    std::vector<Range> told;
    while (!input.empty() && told.size() < 1'000) {
        const Bytes offset = input.number();
        told.push_back({offset, input.number()});
    }
    check(mk::engine::plan_increment(told, capacity), told);
    check(mk::engine::plan_full_copy(told, capacity, size % 2 == 0), told);
    auto sampled = mk::engine::plan_increment(told, capacity);
    if (capacity < 64 * mk::GiB) {
        mk::engine::add_sample(sampled, static_cast<int>(size % 101), size);
    }
    check(sampled, told);
    return 0;
}
