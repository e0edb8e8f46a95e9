#pragma once
// An export in memory. `fail_with` makes its writes, `fail_reads_from` its reads fail.

#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "target/volumes/export_backend.hpp"

namespace mk::volumes::test_support {

class MemoryBackend : public ExportBackend {
  public:
    explicit MemoryBackend(Bytes size) : content(size) {}
    Bytes size() const override { return content.size(); }
    void read(Bytes offset, std::span<std::byte> buffer) override {
        if (offset + buffer.size() > fail_reads_from) {
            throw Error(ErrorCode::external, "read to fail");
        }
        std::memcpy(buffer.data(), content.data() + offset, buffer.size());
    }
    void write(Bytes offset, std::span<const std::byte> data) override {
        if (fail_with) {
            throw Error(*fail_with, "written to fail");
        }
        std::memcpy(content.data() + offset, data.data(), data.size());
        const std::lock_guard lock(written_mutex);
        written.push_back({offset, data.size()});
    }
    void zero(Range range, bool) override { std::memset(content.data() + range.offset, 0, range.length); }
    void flush() override { ++flushes; }
    /// The first half of the range is a hole, the rest is data.
    std::vector<ContentExtent> extents(Range range, std::size_t limit) override {
        std::vector<ContentExtent> found{{{range.offset, range.length / 2}, true},
                                         {{range.offset + range.length / 2, range.length - range.length / 2}, false}};
        found.resize(std::min(limit, found.size()));
        return found;
    }
    std::string instance() const override { return "memory"; }

    std::vector<std::byte> content;
    std::atomic<int> flushes{0};
    std::optional<ErrorCode> fail_with;
    Bytes fail_reads_from = ~Bytes{0};
    std::mutex written_mutex;
    std::vector<Range> written;
};

}  // namespace mk::volumes::test_support
