#include "target/volumes/block_device.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mk::volumes {
namespace {

constexpr std::size_t memory_alignment = 4096;
constexpr std::size_t zero_chunk = 1 * MiB;
/// A direct write is waited for. Below this size the cache is two to three times as fast with the flush included,
/// because it keeps many writes going; above it costs three times the processor.
constexpr std::size_t smallest_direct_write = 256 * KiB;

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t size) : size_(size) {
    const auto rounded =
        std::max(memory_alignment, (size + memory_alignment - 1) / memory_alignment * memory_alignment);
    data_ = static_cast<std::byte*>(std::aligned_alloc(memory_alignment, rounded));
    if (data_ == nullptr) {
        throw std::bad_alloc();
    }
}

AlignedBuffer::~AlignedBuffer() {
    std::free(data_);
}

bool is_all_zero(std::span<const std::byte> data) {
    if (data.empty()) {
        return true;
    }
    return data[0] == std::byte{0} && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0;
}

BlockDevice::BlockDevice(const std::string& path) : path_(path), buffered_(os::open_file(path, O_RDWR)) {
    struct stat status{};
    if (::fstat(buffered_.get(), &status) != 0) {
        throw os::system_error("look at " + path, errno);
    }
    is_block_ = S_ISBLK(status.st_mode);
    if (is_block_) {
        std::uint64_t bytes = 0;
        int sector = 0;
        if (::ioctl(buffered_.get(), BLKGETSIZE64, &bytes) != 0 || ::ioctl(buffered_.get(), BLKSSZGET, &sector) != 0) {
            throw os::system_error("ask the size of " + path, errno);
        }
        size_ = bytes;
        alignment_ = std::max(alignment_, static_cast<Bytes>(sector));
    } else {
        size_ = static_cast<Bytes>(status.st_size);
    }
    direct_ = os::Descriptor(::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
}

bool BlockDevice::is_aligned(Bytes offset, const void* memory, std::size_t length) const {
    return direct_ && offset % alignment_ == 0 && length % alignment_ == 0 &&
           reinterpret_cast<std::uintptr_t>(memory) % memory_alignment == 0;
}

void BlockDevice::read(Bytes offset, std::span<std::byte> buffer) const {
    const bool direct = is_aligned(offset, buffer.data(), buffer.size());
    os::read_at(direct ? direct_.get() : buffered_.get(), offset, buffer);
}

void BlockDevice::write(Bytes offset, std::span<const std::byte> data) const {
    if (data.empty()) {
        return;  // to sync_file_range() a length of 0 means all that follows
    }
    const Bytes end = offset + data.size();
    const Bytes first = std::min((offset + alignment_ - 1) / alignment_ * alignment_, end);
    const Bytes last = std::max(end / alignment_ * alignment_, first);
    const auto middle = data.subspan(first - offset, last - first);
    if (middle.size() < smallest_direct_write || !is_aligned(first, middle.data(), middle.size())) {
        os::write_at(buffered_.get(), offset, data);
        // The disk begins now, so that the flush finds little left. Only speed: what fails here fails there.
        ::sync_file_range(buffered_.get(), static_cast<off_t>(offset), static_cast<off_t>(data.size()),
                          SYNC_FILE_RANGE_WRITE);
        return;
    }
    os::write_at(buffered_.get(), offset, data.first(first - offset));
    os::write_at(direct_.get(), first, middle);
    os::write_at(buffered_.get(), last, data.subspan(last - offset));
}

/// Where the run of data, or the hole, that begins at `offset` ends.
Bytes BlockDevice::end_of_run(Bytes offset, bool is_data) const {
    const auto end = ::lseek(buffered_.get(), static_cast<off_t>(offset), is_data ? SEEK_HOLE : SEEK_DATA);
    if (end >= 0) {
        return static_cast<Bytes>(end);
    }
    return errno == ENXIO ? size_ : offset;  // ENXIO: nothing but a hole follows
}

std::vector<ContentExtent> BlockDevice::extents(Range range, std::size_t limit) const {
    std::vector<ContentExtent> found;
    for (Bytes at = range.offset; at < range.end() && found.size() < limit;) {
        const Bytes data_from = is_block_ ? at : end_of_run(at, false);
        const bool is_hole = data_from > at;
        Bytes end = is_hole ? data_from : is_block_ ? range.end() : end_of_run(at, true);
        if (end <= at || end > range.end()) {  // the file system cannot tell, or goes on behind
            end = range.end();
        }
        found.push_back({{at, end - at}, is_hole});
        at = end;
    }
    return found;
}

/// False where the kernel or the storage cannot; nothing is promised about the range then.
bool BlockDevice::zero_by_kernel(Range range, bool keep_allocated) const {
    const auto offset = static_cast<off_t>(range.offset);
    const auto length = static_cast<off_t>(range.length);
    if (!keep_allocated &&
        ::fallocate(buffered_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0) {
        return true;
    }
    if (!is_block_) {
        return ::fallocate(buffered_.get(), FALLOC_FL_ZERO_RANGE, offset, length) == 0;
    }
    std::array<std::uint64_t, 2> argument{range.offset, range.length};
    return ::ioctl(buffered_.get(), BLKZEROOUT, argument.data()) == 0;
}

void BlockDevice::zero_by_writing(Range range) const {
    AlignedBuffer zeroes(zero_chunk);
    std::memset(zeroes.data(), 0, zero_chunk);
    for (Bytes done = 0; done < range.length;) {
        const auto count = std::min<Bytes>(zero_chunk, range.length - done);
        write(range.offset + done, zeroes.first(count));
        done += count;
    }
}

void BlockDevice::zero(Range range, bool keep_allocated) const {
    const Bytes first = (range.offset + alignment_ - 1) / alignment_ * alignment_;
    const Bytes last = range.end() / alignment_ * alignment_;
    if (first >= last) {
        zero_by_writing(range);
        return;
    }
    zero_by_writing({range.offset, first - range.offset});
    if (!zero_by_kernel({first, last - first}, keep_allocated)) {
        zero_by_writing({first, last - first});
    }
    zero_by_writing({last, range.end() - last});
}

void BlockDevice::give_back(Range range) const noexcept {
    ::fallocate(buffered_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.offset),
                static_cast<off_t>(range.length));
}

void BlockDevice::flush() const {
    const std::lock_guard lock(flush_state_->mutex);
    if (flush_state_->has_failed) {
        throw Error(ErrorCode::external, "writes to " + path_ + " were lost before",
                    {.consequence = "What was written since the last good flush may not be on the disk.",
                     .remedy = "Look at the disk; then replicate again: what is not durable is copied again.",
                     .retry_safe = true});
    }
    if (::fdatasync(buffered_.get()) != 0) {
        flush_state_->has_failed = true;
        throw os::system_error("make the writes to " + path_ + " durable", errno);
    }
}

bool BlockDevice::has_lost_writes() const {
    return flush_state_->has_failed;
}

void BlockDevice::forget_cached() const {
    flush();
    if (is_block_) {
        ::ioctl(buffered_.get(), BLKFLSBUF, 0);  // needs CAP_SYS_ADMIN; aligned reads bypass the cache anyway
    }
    ::posix_fadvise(buffered_.get(), 0, 0, POSIX_FADV_DONTNEED);
}

}  // namespace mk::volumes
