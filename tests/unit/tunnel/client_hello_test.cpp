#include "tunnel/client_hello.hpp"

#include <gtest/gtest.h>

#include "hello_bytes.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using State = ClientHello::State;
using test::bytes_of;

std::span<const std::byte> first(const std::vector<std::byte>& bytes, std::size_t size) {
    return std::span(bytes).first(size);
}

/// The same ClientHello in records of at most `size` bytes.
std::vector<std::byte> in_records_of(const std::vector<std::byte>& hello, std::size_t size) {
    std::vector<std::byte> records;
    for (std::size_t begin = 5; begin < hello.size(); begin += size) {
        const auto length = std::min(size, hello.size() - begin);
        records.insert(records.end(), {std::byte{22}, std::byte{3}, std::byte{1}, static_cast<std::byte>(length >> 8U),
                                       static_cast<std::byte>(length & 0xFFU)});
        records.insert(records.end(), hello.begin() + static_cast<std::ptrdiff_t>(begin),
                       hello.begin() + static_cast<std::ptrdiff_t>(begin + length));
    }
    return records;
}

class ClientHellos : public testing::Test {
  protected:
    test::Site site{"vma"};
    std::vector<std::byte> hello = test::hello_bytes(site, {"mk-nbd/1", "mk-digest/1"});
};

TEST_F(ClientHellos, TellTheProtocolsThatAreOffered) {
    const auto parsed = parse_client_hello(hello);
    EXPECT_EQ(parsed.state, State::complete);
    EXPECT_EQ(parsed.protocols, (std::vector<std::string>{"mk-nbd/1", "mk-digest/1"}));
}

TEST_F(ClientHellos, AreIncompleteUpToTheirLastByte) {
    for (std::size_t size = 0; size < hello.size(); ++size) {
        EXPECT_EQ(parse_client_hello(first(hello, size)).state, State::incomplete) << size;
    }
    auto more = hello;
    more.insert(more.end(), 100, std::byte{0xAA});
    EXPECT_EQ(parse_client_hello(more).state, State::complete);
}

TEST_F(ClientHellos, MayBeSpreadOverRecords) {
    for (const std::size_t size : {1UL, 3UL, 50UL}) {
        EXPECT_EQ(parse_client_hello(in_records_of(hello, size)).protocols.size(), 2U) << size;
    }
}

TEST_F(ClientHellos, AreNotWhatOthersSay) {
    for (const auto* text :
         {"GET / HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "NBDMAGIC", "\x16\x02", "\x15\x03\x01"}) {
        EXPECT_EQ(parse_client_hello(bytes_of(text)).state, State::nonsense) << text;
    }
    EXPECT_EQ(parse_client_hello(std::vector<std::byte>(100, std::byte{0})).state, State::nonsense);
    // A ServerHello, an empty record, a record that is too long, a message that is too long.
    for (const auto& start : {std::vector<int>{22, 3, 3, 0, 40, 2, 0, 0, 36}, std::vector<int>{22, 3, 1, 0, 0},
                              std::vector<int>{22, 3, 1, 0x40, 1}, std::vector<int>{22, 3, 1, 0, 100, 1, 1, 0, 0}}) {
        std::vector<std::byte> bytes;
        for (const int number : start) {
            bytes.push_back(static_cast<std::byte>(number));
        }
        EXPECT_EQ(parse_client_hello(bytes).state, State::nonsense) << start[4];
    }
}

TEST_F(ClientHellos, WithLengthsThatPointBeyondThemAreNonsense) {
    int nonsense = 0;
    for (std::size_t i = 9; i < hello.size(); ++i) {
        auto changed = hello;
        changed[i] = std::byte{0xFF};
        const auto parsed = parse_client_hello(changed);  // must neither crash nor read beyond the end
        nonsense += parsed.state == State::nonsense ? 1 : 0;
    }
    EXPECT_GT(nonsense, 0);
}

TEST_F(ClientHellos, AreNotWaitedForBeyondTheLimit) {
    // Says that it has 16000 bytes, in records of one byte each.
    std::vector<std::byte> endless{std::byte{1}, std::byte{0}, std::byte{0x3E}, std::byte{0x80}};
    endless.resize(16'000);
    auto records = in_records_of(
        [&] {
            std::vector<std::byte> with_header(5);
            with_header.insert(with_header.end(), endless.begin(), endless.end());
            return with_header;
        }(),
        1);
    EXPECT_EQ(parse_client_hello(first(records, largest_client_hello - 1)).state, State::incomplete);
    EXPECT_EQ(parse_client_hello(first(records, largest_client_hello)).state, State::nonsense);
}

}  // namespace
}  // namespace mk::tunnel
