#pragma once
// What went over a stream, or over many that share this. Thread-safe counters.

#include <atomic>
#include <cstdint>

namespace mk::tunnel {

struct Traffic {
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> received{0};
    std::atomic<std::uint64_t> cuts{0};  ///< streams that ended with an error instead of a good-bye
};

}  // namespace mk::tunnel
