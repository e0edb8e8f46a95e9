#include "tunnel/compressing_stream.hpp"

#include <gtest/gtest.h>

#include "memory_stream.hpp"
#include "support/error_of.hpp"
#include "tunnel/frames.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using test::bytes_of;
using test::MemoryStream;
using test::noise;

std::vector<std::byte> frame(FrameKind kind, std::uint32_t on_wire, std::uint32_t unpacked,
                             const std::vector<std::byte>& body) {
    const auto header = FrameHeader{.kind = kind, .on_wire = on_wire, .unpacked = unpacked}.encoded();
    std::vector<std::byte> bytes(header.size() + body.size());
    std::copy(body.begin(), body.end(), std::copy(header.begin(), header.end(), bytes.begin()));
    return bytes;
}

std::vector<std::byte> text_like(std::size_t size) {
    std::vector<std::byte> data(size);
    for (std::size_t i = 0; i < size; ++i) {
        data[i] = static_cast<std::byte>("the quick brown fox "[i % 20] + static_cast<char>(i / 4096 % 7));
    }
    return data;
}

/// What a compressing stream writes for these pieces, one write each.
std::vector<std::byte> packed(const std::vector<std::vector<std::byte>>& pieces) {
    auto lower = std::make_unique<MemoryStream>();
    auto& memory = *lower;
    const auto stream = compressing(std::move(lower));
    for (const auto& piece : pieces) {
        stream->write(std::span<const std::byte>(piece));
    }
    return memory.written;
}

std::vector<std::byte> unpacked(const std::vector<std::byte>& wire, std::size_t portion, std::size_t buffer_size) {
    const auto stream = compressing(std::make_unique<MemoryStream>(wire, portion));
    std::vector<std::byte> all;
    std::vector<std::byte> buffer(buffer_size);
    while (const auto got = stream->read_some(buffer)) {
        all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got));
    }
    return all;
}

TEST(ACompressingStream, GivesBackWhatWasWrittenWhateverThePortions) {
    std::vector<std::byte> all;
    std::vector<std::vector<std::byte>> pieces;
    for (const std::size_t size :
         {1UL, 16UL, 1023UL, 1024UL, 70'000UL, 1'048'575UL, 1'048'576UL, 1'048'577UL, 3'000'000UL}) {
        pieces.push_back(size % 2 == 0 ? text_like(size) : noise(size));
        all.insert(all.end(), pieces.back().begin(), pieces.back().end());
    }
    const auto wire = packed(pieces);
    EXPECT_LT(wire.size(), all.size());
    for (const std::size_t portion : {1'000'000UL, 4'097UL, 7UL}) {
        EXPECT_EQ(unpacked(wire, portion, 100'000), all) << portion;
    }
    EXPECT_EQ(unpacked(wire, 1'000'000, 2'000'000), all);
    EXPECT_EQ(unpacked(packed({pieces[4]}), 5, 1), pieces[4]);
}

TEST(ACompressingStream, PutsThePiecesOfOneWriteIntoOneFrame) {
    auto lower = std::make_unique<MemoryStream>();
    auto& memory = *lower;
    const auto stream = compressing(std::move(lower));
    const auto header = noise(28);
    const auto payload = text_like(256 * 1024);
    const std::array<std::span<const std::byte>, 2> pieces{header, payload};
    stream->write(pieces);
    EXPECT_EQ(memory.writes, 1);
    const auto first = FrameHeader::decode(std::span<const std::byte, 9>(memory.written.data(), 9));
    EXPECT_EQ(first.kind, FrameKind::zstd);
    EXPECT_EQ(first.unpacked, 28U + 256 * 1024);
    EXPECT_EQ(first.on_wire + 9, memory.written.size());
}

TEST(ACompressingStream, ReadsWithoutWaitingAndKeepsWhatItHas) {
    const auto data = text_like(50'000);
    const auto stream = compressing(std::make_unique<MemoryStream>(packed({data}), 100));
    std::vector<std::byte> all;
    std::vector<std::byte> buffer(20'000);
    int empty = 0;
    while (all.size() < data.size()) {
        const auto got = stream->read_now(buffer);
        empty += got ? 0 : 1;
        all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got.value_or(0)));
    }
    EXPECT_EQ(all, data);
    EXPECT_GT(empty, 0);
}

TEST(ACompressingStream, StopsCompressingWhatDoesNotGetSmaller) {
    auto lower = std::make_unique<MemoryStream>();
    auto& memory = *lower;
    const auto stream = compressing(std::move(lower));
    const auto data = noise(256 * 1024);
    for (int i = 0; i < 40; ++i) {
        stream->write(std::span<const std::byte>(data));
    }
    EXPECT_EQ(memory.written.size(), 40 * (data.size() + frame_header_size));
}

TEST(ACompressingStream, RefusesNonsenseBeforeItAllocatesAnything) {
    const auto body = noise(64);
    const std::vector<std::vector<std::byte>> nonsense = {
        frame(static_cast<FrameKind>(2), 64, 64, body),
        frame(static_cast<FrameKind>(255), 64, 64, body),
        frame(FrameKind::raw, 64, 63, body),
        frame(FrameKind::raw, 0, 0, {}),
        frame(FrameKind::zstd, 0, 64, {}),
        frame(FrameKind::zstd, 64, 0, body),
        frame(FrameKind::raw, 1'048'577, 1'048'577, body),
        frame(FrameKind::raw, 0xFFFFFFFF, 0xFFFFFFFF, body),
        frame(FrameKind::zstd, 64, 0xFFFFFFFF, body),
        frame(FrameKind::zstd, 0xFFFFFFFF, 1'048'576, body),
        frame(FrameKind::zstd, 64, 64, body),  // no zstd frame inside
        bytes_of("GET / HTTP/1.1\r\n\r\n"),
    };
    for (std::size_t i = 0; i < nonsense.size(); ++i) {
        EXPECT_EQ(test::code_of([&] { unpacked(nonsense[i], 1000, 1000); }), ErrorCode::corrupt) << i;
    }
}

TEST(ACompressingStream, RefusesAFrameThatIsLongerOrShorterThanAnnounced) {
    auto wire = packed({text_like(4096)});
    const auto header = FrameHeader::decode(std::span<const std::byte, 9>(wire.data(), 9));
    const std::vector<std::byte> body(wire.begin() + 9, wire.end());
    for (const std::uint32_t lie : {4095U, 4097U, 1U, 1'048'576U}) {
        EXPECT_EQ(test::code_of([&] { unpacked(frame(FrameKind::zstd, header.on_wire, lie, body), 1000, 100'000); }),
                  ErrorCode::corrupt)
            << lie;
    }
}

TEST(ACompressingStream, TellsAnEndInsideOfAFrame) {
    const auto wire = packed({noise(100), text_like(5000)});
    for (std::size_t cut = 1; cut < wire.size(); ++cut) {
        const std::vector<std::byte> part(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(cut));
        if (cut == 109) {  // right behind the first frame
            EXPECT_EQ(unpacked(part, 1000, 1000).size(), 100U);
            continue;
        }
        EXPECT_EQ(test::code_of([&] { unpacked(part, 1000, 1000); }), ErrorCode::corrupt) << cut;
    }
}

TEST(ACompressingStream, DetectsFramesWhoseBytesChangedPlaces) {
    const auto wire = packed({text_like(20'000)});
    auto swapped = wire;
    std::swap_ranges(swapped.begin() + 9, swapped.begin() + 29, swapped.begin() + 40);
    bool is_told = false;
    try {
        is_told = unpacked(swapped, 1000, 100'000) != text_like(20'000);
    } catch (const Error& error) {
        is_told = error.code() == ErrorCode::corrupt;
    }
    EXPECT_TRUE(is_told);
}

TEST(ACompressingStream, PassesShutDownOn) {
    auto lower = std::make_unique<MemoryStream>();
    auto& memory = *lower;
    const auto stream = compressing(std::move(lower));
    stream->shut_down();
    EXPECT_TRUE(memory.is_shut_down);
}

}  // namespace
}  // namespace mk::tunnel
