#pragma once
// Whole reads and writes on a connected socket, big-endian numbers. Internal to the NBD server; one thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "os/file.hpp"

namespace mk::volumes {

/// The peer closed the connection, broke it, or was cut.
struct Disconnected {};

class SocketStream {
  public:
    explicit SocketStream(int fd) : fd_(fd) {}

    /// Throws Disconnected when the deadline passes before all is there. Without one it waits for ever.
    void set_deadline(std::chrono::steady_clock::time_point deadline) { deadline_ = deadline; }
    void clear_deadline() { deadline_ = std::chrono::steady_clock::time_point::max(); }
    void read(std::span<std::byte> buffer);
    void write(std::span<const std::byte> data);
    void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
    std::string read_text(std::size_t length);
    template <class Number>
    Number read_number() {
        std::byte bytes[sizeof(Number)];
        read(bytes);
        std::uint64_t value = 0;
        for (const auto byte : bytes) {
            value = value << 8 | static_cast<std::uint64_t>(byte);
        }
        return static_cast<Number>(value);
    }

  private:
    void wait_for(short events);

    int fd_;
    std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
};

/// Appends big-endian.
template <class Number>
void put_big(std::string& out, Number value) {
    for (int shift = static_cast<int>(sizeof(Number)) * 8 - 8; shift >= 0; shift -= 8) {
        out += static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xff);
    }
}

}  // namespace mk::volumes
