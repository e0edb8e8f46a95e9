#pragma once
// Disks in memory, for tests of everything that reads and writes blocks. Failing at the n-th call is built in, so that
// faults are composed in tests and never coded into the thing tested.

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "block/block_sink.hpp"
#include "block/block_source.hpp"

namespace mk::block {

class MemorySource : public BlockSource {
  public:
    explicit MemorySource(std::vector<std::byte> content, Bytes max_request = 2 * MiB);
    Bytes capacity() const override { return content_.size(); }
    Bytes max_request() const override { return max_request_; }
    void read(Bytes offset, std::span<std::byte> buffer, const std::stop_token& stop) override;
    /// Runs of 4 KiB that are all zero are holes.
    std::vector<Extent> extents(Range range, const std::stop_token& stop) override;

    std::function<void(Range)> on_read;  ///< called before each read; may throw
    std::vector<Range> reads;            ///< every range that was read

  private:
    std::vector<std::byte> content_;
    Bytes max_request_;
};

class MemorySink : public BlockSink {
  public:
    /// Starts filled with `fill`, so that a range nobody wrote is seen.
    explicit MemorySink(Bytes capacity, std::byte fill = std::byte{0}, Bytes max_request = 32 * MiB);
    Bytes capacity() const override { return content.size(); }
    Bytes max_request() const override { return max_request_; }
    void write(Bytes offset, std::span<const std::byte> data, const std::stop_token& stop) override;
    void zero(Range range, const std::stop_token& stop) override;
    void flush(const std::stop_token& stop) override;

    std::vector<std::byte> content;
    std::vector<Range> writes;
    std::vector<Range> zeroes;
    int flushes = 0;
    std::function<void(Range)> on_write;  ///< called before each write or zero; may throw

  private:
    Bytes max_request_;
};

}  // namespace mk::block
