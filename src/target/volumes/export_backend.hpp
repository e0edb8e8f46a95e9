#pragma once
// What an NBD export reads and writes. Implementations: DirectBackend (the device), StagedBackend (overlay over the
// device). Called by several connections at once. Errors as BlockDevice.

#include <cstddef>
#include <span>

#include "base/bytes.hpp"

namespace mk::volumes {

class ExportBackend {
  public:
    virtual ~ExportBackend() = default;
    virtual Bytes size() const = 0;
    virtual void read(Bytes offset, std::span<std::byte> buffer) = 0;
    virtual void write(Bytes offset, std::span<const std::byte> data) = 0;
    virtual void zero(Range range, bool keep_allocated) = 0;
    /// Everything answered before is durable when this returns.
    virtual void flush() = 0;
};

}  // namespace mk::volumes
