#include "block/memory.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace mk::block {

namespace {

constexpr Bytes hole_granularity = 4 * KiB;

void check_bounds(Bytes offset, Bytes length, Bytes capacity) {
    if (offset > capacity || length > capacity - offset) {
        throw Error(ErrorCode::internal, "a request lies outside of the disk");
    }
}

void check_stop(const std::stop_token& stop) {
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "stopped");
    }
}

std::ptrdiff_t at(Bytes offset) {
    return static_cast<std::ptrdiff_t>(offset);
}

}  // namespace

MemorySource::MemorySource(std::vector<std::byte> content, Bytes max_request)
    : content_(std::move(content)), max_request_(max_request) {}

void MemorySource::read(Bytes offset, std::span<std::byte> buffer, const std::stop_token& stop) {
    check_stop(stop);
    check_bounds(offset, buffer.size(), content_.size());
    const Range range{offset, buffer.size()};
    if (on_read) {
        on_read(range);
    }
    reads.push_back(range);
    std::copy_n(content_.begin() + at(offset), buffer.size(), buffer.begin());
}

std::vector<Extent> MemorySource::extents(Range range, const std::stop_token& stop) {
    check_stop(stop);
    check_bounds(range.offset, range.length, content_.size());
    std::vector<Extent> out;
    for (Bytes offset = range.offset; offset < range.end();) {
        const Bytes end = std::min(range.end(), (offset / hole_granularity + 1) * hole_granularity);
        const bool is_zero = std::all_of(content_.begin() + at(offset), content_.begin() + at(end),
                                         [](std::byte value) { return value == std::byte{0}; });
        if (!out.empty() && out.back().is_zero == is_zero) {
            out.back().range.length += end - offset;
        } else {
            out.push_back({{offset, end - offset}, is_zero});
        }
        offset = end;
    }
    return out;
}

MemorySink::MemorySink(Bytes capacity, std::byte fill, Bytes max_request)
    : content(capacity, fill), max_request_(max_request) {}

void MemorySink::write(Bytes offset, std::span<const std::byte> data, const std::stop_token& stop) {
    check_stop(stop);
    check_bounds(offset, data.size(), content.size());
    const Range range{offset, data.size()};
    if (on_write) {
        on_write(range);
    }
    writes.push_back(range);
    std::copy(data.begin(), data.end(), content.begin() + at(offset));
}

void MemorySink::zero(Range range, const std::stop_token& stop) {
    check_stop(stop);
    check_bounds(range.offset, range.length, content.size());
    if (on_write) {
        on_write(range);
    }
    zeroes.push_back(range);
    std::fill_n(content.begin() + at(range.offset), range.length, std::byte{0});
}

void MemorySink::flush(const std::stop_token& stop) {
    check_stop(stop);
    ++flushes;
}

}  // namespace mk::block
