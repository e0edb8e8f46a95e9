#pragma once
// A volume as the daemon reads and writes it: a block device, or a regular file (an overlay's data; a volume in tests).
// Long runs of whole pages bypass the page cache where the device allows it, the rest goes through it; the kernel keeps
// both views of one device coherent as long as no page is written both ways at once, so single sectors never bypass it.
// Reads and writes of different threads may overlap. Errors: external (I/O, with the errno text), exhausted (no space),
// not_found.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "os/file.hpp"
#include "target/volumes/export_backend.hpp"

namespace mk::volumes {

/// Memory that satisfies O_DIRECT.
class AlignedBuffer {
  public:
    explicit AlignedBuffer(std::size_t size);
    ~AlignedBuffer();
    AlignedBuffer(const AlignedBuffer&) = delete;
    AlignedBuffer& operator=(const AlignedBuffer&) = delete;
    std::byte* data() { return data_; }
    std::span<std::byte> first(std::size_t size) { return {data_, size}; }
    std::size_t size() const { return size_; }

  private:
    std::byte* data_;
    std::size_t size_;
};

bool is_all_zero(std::span<const std::byte> data);

class BlockDevice {
  public:
    explicit BlockDevice(const std::string& path);

    Bytes size() const { return size_; }
    const std::string& path() const { return path_; }
    void read(Bytes offset, std::span<std::byte> buffer) const;
    /// What is long and can go directly does: the memory must lie as far behind a page's start as `offset` does.
    void write(Bytes offset, std::span<const std::byte> data) const;
    /// Holes of a regular file, where the file system tells them; a block device is data. As
    /// ReadableContent::extents().
    std::vector<ContentExtent> extents(Range range, std::size_t limit) const;
    /// Makes the range read as zero. With `keep_allocated` the space stays reserved.
    void zero(Range range, bool keep_allocated = false) const;
    /// Gives the space of a regular file back where that is possible; what the range reads as afterwards is open.
    void give_back(Range range) const noexcept;
    /// Everything written before is durable when this returns. The kernel tells a write that it could not bring to the
    /// disk only once per open file: after one failure every flush through this object fails.
    void flush() const;
    /// True after a flush that failed: something written through this object is lost, and nobody can tell what.
    bool has_lost_writes() const;
    /// What read() returns afterwards comes from the device and not from memory.
    void forget_cached() const;

  private:
    bool is_aligned(Bytes offset, const void* memory, std::size_t length) const;
    Bytes end_of_run(Bytes offset, bool is_data) const;
    bool zero_by_kernel(Range range, bool keep_allocated) const;
    void zero_by_writing(Range range) const;

    struct FlushState {
        std::mutex mutex;  ///< one flush at a time: none may succeed because another is just taking its error
        std::atomic<bool> has_failed{false};
    };

    std::string path_;
    std::unique_ptr<FlushState> flush_state_ = std::make_unique<FlushState>();
    os::Descriptor buffered_;
    os::Descriptor direct_;  ///< empty where O_DIRECT is not possible
    bool is_block_ = false;
    Bytes size_ = 0;
    Bytes alignment_ = 4096;  ///< of direct transfers: a page, or the device's sector where that is larger
};

}  // namespace mk::volumes
