#pragma once
// Short ways to read and write whole ranges in tests.

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "block/block_sink.hpp"
#include "block/block_source.hpp"

namespace mk::test {

using Content = std::vector<std::byte>;

/// The seed is in the test's report.
inline Content random_bytes(std::size_t size) {
    const unsigned seed = std::random_device{}();
    std::mt19937_64 generator(seed);
    testing::Test::RecordProperty("seed", static_cast<int>(seed));
    Content out(size);
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
        const std::uint64_t number = generator();
        std::memcpy(out.data() + at, &number, std::min(sizeof number, size - at));
    }
    return out;
}

/// Many requests in flight, taken in whatever order they come.
inline Content read_range(block::ReadChannel& channel, Range range, Bytes piece = 64 * KiB, std::size_t depth = 16) {
    Content out(range.length);
    Bytes next = range.offset;
    while (next < range.end() || channel.in_flight() > 0) {
        while (next < range.end() && channel.in_flight() < depth) {
            const Bytes length = std::min(piece, range.end() - next);
            channel.request({next, length});
            next += length;
        }
        const auto reply = channel.receive({});
        EXPECT_EQ(reply.data.size(), reply.range.length);
        std::ranges::copy(reply.data, out.begin() + static_cast<std::ptrdiff_t>(reply.range.offset - range.offset));
    }
    return out;
}

inline Content read_range(block::BlockSource& source, Range range, Bytes piece = 64 * KiB) {
    return read_range(*source.open_channel({}), range, std::min(piece, source.max_request()));
}

inline void write_range(block::WriteChannel& channel, Bytes offset, const Content& data, Bytes piece = 64 * KiB) {
    for (Bytes at = 0; at < data.size(); at += piece) {
        channel.write(offset + at, std::span(data).subspan(at, std::min<Bytes>(piece, data.size() - at)), {});
    }
}

template <class Call>
Error error_of(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ErrorCode::internal, "no error");
}

template <class Call>
ErrorCode code_of(Call call) {
    return error_of(call).code();
}

}  // namespace mk::test
