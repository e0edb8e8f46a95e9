#pragma once
// What tests of copies share: random plans, and the proof that a copy did what its plan says.

#include <random>

#include <gtest/gtest.h>

#include "block/memory.hpp"
#include "engine/copier.hpp"
#include "unit/engine/fakes.hpp"

namespace mk::test {

/// What the target held before, where nobody writes.
inline constexpr std::byte old_byte{0xEE};

inline std::vector<Range> random_areas(std::mt19937_64& random, Bytes capacity, int count) {
    std::vector<Range> out;
    for (int i = 0; i < count && capacity > 0; ++i) {
        const Bytes offset = random() % capacity;
        out.push_back({offset, 1 + random() % std::min<Bytes>(capacity - offset, 700 * KiB)});
    }
    return out;
}

inline LeafDigest digest_of(const Content& content, Range range) {
    LeafDigester digester(range);
    digester.add(std::span(content).subspan(range.offset, range.length));
    return leaf_digest_from_hex(run_digest(digester.finish()));
}

inline void expect_digests(const engine::CopyOutcome& outcome, const Content& content) {
    Bytes sum = 0;
    Bytes at = 0;
    for (const engine::RunDigest& run : outcome.digests) {
        EXPECT_GE(run.range.offset, at);
        EXPECT_LE(run.range.length, engine::unit_size);
        EXPECT_EQ(to_hex(run.digest), to_hex(digest_of(content, run.range))) << "at " << run.range.offset;
        at = run.range.end();
        sum += run.range.length;
    }
    EXPECT_EQ(sum, outcome.planned);
}

/// The first offset where both differ; their size when they do not.
inline Bytes first_difference(const Content& a, const Content& b) {
    return static_cast<Bytes>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

/// Pauses that tests can wait for.
inline engine::CopyOptions quick_options() {
    engine::CopyOptions options;
    options.patience = {.first_pause = std::chrono::milliseconds{1},
                        .longest_pause = std::chrono::milliseconds{2},
                        .give_up_after = std::chrono::seconds{20}};
    return options;
}

}  // namespace mk::test
