#pragma once
// What an NBD export reads and writes. Implementations: DirectBackend (the device), StagedBackend (overlay over the
// device). Called by several connections at once. Errors as BlockDevice.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace mk::volumes {

/// A run that holds data, or that is known to read as zero without being read.
struct ContentExtent {
    Range range;
    bool is_zero = false;
    bool operator==(const ContentExtent&) const = default;
};

/// What digests are made of.
class ReadableContent {
  public:
    virtual ~ReadableContent() = default;
    virtual Bytes size() const = 0;
    virtual void read(Bytes offset, std::span<std::byte> buffer) = 0;
    /// In order and without gaps from the start of `range`; ends early after `limit` extents. What is not known for
    /// certain is data.
    virtual std::vector<ContentExtent> extents(Range range, std::size_t limit) = 0;
};

class ExportBackend : public ReadableContent {
  public:
    virtual void write(Bytes offset, std::span<const std::byte> data) = 0;
    virtual void zero(Range range, bool keep_allocated) = 0;
    /// Everything answered before is durable when this returns.
    virtual void flush() = 0;
    /// As long as a client is told the same text, what was answered to it is still there, flushed or not.
    virtual std::string instance() const = 0;
};

}  // namespace mk::volumes
