#pragma once
// What the copy engine writes to. Implementations: NbdSink (libnbd), MemorySink (tests).

#include <cstddef>
#include <span>
#include <stop_token>

#include "base/bytes.hpp"

namespace mk::block {

/// One thread at a time. Nothing is durable before flush() has returned. Errors as BlockSource, plus exhausted (no
/// space).
class BlockSink {
  public:
    virtual ~BlockSink() = default;
    virtual Bytes capacity() const = 0;
    virtual Bytes max_request() const = 0;
    virtual void write(Bytes offset, std::span<const std::byte> data, const std::stop_token& stop) = 0;
    /// Makes the range read as zero; may be longer than max_request().
    virtual void zero(Range range, const std::stop_token& stop) = 0;
    virtual void flush(const std::stop_token& stop) = 0;
};

}  // namespace mk::block
