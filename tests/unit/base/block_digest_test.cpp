#include "base/block_digest.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace mk {
namespace {

// All expected digests come from another binding of the reference implementation:
// python3-xxhash, xxhash.xxh3_128(data).hexdigest().
constexpr const char* of_nothing = "99aa06d3014798d86001c324468d497f";
constexpr const char* of_abc = "06b05ab6733a618578af5f94892f3950";
constexpr const char* of_a_zero_leaf = "9aa295aead2a46612d64c035e85fb928";
constexpr const char* of_512_zeros = "3258ca92e0a00944b2987a9d949e807c";

/// The byte at offset i of the disk is i * 7 % 251.
std::vector<std::byte> pattern(Range range) {
    std::vector<std::byte> data(range.length);
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<std::byte>((range.offset + i) * 7 % 251);
    }
    return data;
}

/// Meets three leaves: the last 512 bytes of one, a whole one, the first 4096 of the next.
constexpr Range crooked{leaf_size - 512, leaf_size + 512 + 4096};
constexpr std::array crooked_leaves{"336ebfd5dffba938a53e5aee65b6b9a5", "5f9afb42b85755afdaee5e086e1527a0",
                                    "1fc4adbeace10416b2f86aeb235f07ef"};
constexpr const char* crooked_run = "23930a89301a35975498e44888126d09";

std::vector<std::string> hex_of(std::span<const LeafDigest> leaves) {
    std::vector<std::string> texts;
    for (const auto& leaf : leaves) {
        texts.push_back(to_hex(leaf));
    }
    return texts;
}

template <typename Action>
ErrorCode code_of(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error.code();
    }
    throw std::logic_error("no error");
}

TEST(LeafDigest, KnownAnswers) {
    constexpr std::string_view abc = "abc";
    EXPECT_EQ(to_hex(leaf_digest({})), of_nothing);
    EXPECT_EQ(to_hex(leaf_digest(std::as_bytes(std::span(abc)))), of_abc);
}

TEST(LeafDigest, OfZeros) {
    EXPECT_EQ(to_hex(zero_leaf_digest(leaf_size)), of_a_zero_leaf);
    EXPECT_EQ(to_hex(zero_leaf_digest(512)), of_512_zeros);
    EXPECT_EQ(to_hex(zero_leaf_digest(0)), of_nothing);
    for (const Bytes length : {Bytes{1}, 4 * KiB, 4 * KiB + 512, leaf_size - 1}) {
        EXPECT_EQ(zero_leaf_digest(length), leaf_digest(std::vector<std::byte>(length))) << length;
    }
    EXPECT_EQ(code_of([] { zero_leaf_digest(leaf_size + 1); }), ErrorCode::internal);
}

TEST(LeafDigest, HexAndBack) {
    EXPECT_EQ(to_hex(leaf_digest_from_hex(of_abc)), of_abc);
    const std::string text = of_abc;
    for (const auto& wrong : {std::string(), text.substr(1), text + "0", "G" + text.substr(1), "A" + text.substr(1)}) {
        EXPECT_EQ(code_of([&] { leaf_digest_from_hex(wrong); }), ErrorCode::invalid) << wrong;
    }
}

TEST(Leaves, OfARun) {
    EXPECT_EQ(leaf_count({5, 0}), 0U);
    EXPECT_EQ(leaf_count({0, 1}), 1U);
    EXPECT_EQ(leaf_count({0, leaf_size}), 1U);
    EXPECT_EQ(leaf_count({0, leaf_size + 1}), 2U);
    EXPECT_EQ(leaf_count({leaf_size - 1, 2}), 2U);
    ASSERT_EQ(leaf_count(crooked), 3U);
    EXPECT_EQ(leaf_of(crooked, 0), (Range{leaf_size - 512, 512}));
    EXPECT_EQ(leaf_of(crooked, 1), (Range{leaf_size, leaf_size}));
    EXPECT_EQ(leaf_of(crooked, 2), (Range{2 * leaf_size, 4096}));
    EXPECT_EQ(code_of([] { leaf_of(crooked, 3); }), ErrorCode::internal);
    constexpr Bytes far = 64 * 1024 * GiB;
    EXPECT_EQ(leaf_of({far + 1, 10}, 0), (Range{far + 1, 10}));
}

TEST(LeafDigester, KnownAnswer) {
    LeafDigester digester(crooked);
    digester.add(pattern(crooked));
    const auto leaves = digester.finish();
    EXPECT_EQ(hex_of(leaves), std::vector<std::string>(crooked_leaves.begin(), crooked_leaves.end()));
    EXPECT_EQ(run_digest(leaves), crooked_run);
}

TEST(LeafDigester, PiecesOfAnyLengthGiveTheSame) {
    const auto data = pattern(crooked);
    for (const std::size_t piece : {std::size_t{1000}, std::size_t{4096}, std::size_t{512}, std::size_t{100'001}}) {
        LeafDigester digester(crooked);
        for (std::size_t at = 0; at < data.size(); at += piece) {
            digester.add(std::span(data).subspan(at, std::min(piece, data.size() - at)));
        }
        EXPECT_EQ(run_digest(digester.finish()), crooked_run) << piece;
    }
}

TEST(LeafDigester, ZerosCountAsBytes) {
    auto data = pattern(crooked);
    const std::size_t begin = 300;
    const std::size_t end = 512 + leaf_size + 100;
    std::fill(data.begin() + begin, data.begin() + end, std::byte{0});
    LeafDigester whole(crooked);
    whole.add(data);
    LeafDigester mixed(crooked);
    mixed.add(std::span(data).first(begin));
    mixed.add_zeros(end - begin);
    mixed.add(std::span(data).subspan(end));
    EXPECT_EQ(mixed.finish(), whole.finish());
}

TEST(LeafDigester, WantsExactlyTheRun) {
    LeafDigester digester({0, 1000});
    digester.add(pattern({0, 999}));
    EXPECT_EQ(code_of([&] { digester.finish(); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { digester.add(pattern({999, 2})); }), ErrorCode::internal);
    LeafDigester zeros({0, leaf_size});
    EXPECT_EQ(code_of([&] { zeros.add_zeros(leaf_size + 1); }), ErrorCode::internal);
    EXPECT_TRUE(LeafDigester({7, 0}).finish().empty());
}

}  // namespace
}  // namespace mk
