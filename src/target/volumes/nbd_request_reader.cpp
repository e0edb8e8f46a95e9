#include "target/volumes/nbd_request_reader.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"

namespace mk::volumes {
namespace {

using namespace nbd;
/// Between two requests: a client may have nothing to say for long, and is cut when its session ends.
constexpr std::chrono::hours idle_limit{12};
/// Within one.
constexpr std::chrono::seconds stall_limit{120};

}  // namespace

std::optional<NbdRequest> NbdRequestReader::peek() const {
    if (available() < head_length) {
        return std::nullopt;
    }
    Cursor cursor{std::span(input_).subspan(begin_, head_length)};
    if (cursor.number<std::uint32_t>() != request_magic) {
        return std::nullopt;
    }
    NbdRequest request;
    request.flags = cursor.number<std::uint16_t>();
    request.command = cursor.number<nbd::Command>();
    request.cookie = cursor.number<std::uint64_t>();
    request.range.offset = cursor.number<std::uint64_t>();
    request.range.length = cursor.number<std::uint32_t>();
    return request;
}

std::optional<NbdRequest> NbdRequestReader::next() {
    if (available() < head_length && begin_ > 0) {
        std::memmove(input_.data(), input_.data() + begin_, available());
        end_ -= begin_;
        begin_ = 0;
    }
    while (available() < head_length) {
        stream_.set_limit(available() == 0 ? std::chrono::milliseconds(idle_limit) : stall_limit);
        const auto count = stream_.read_some(std::span(input_).subspan(end_));
        if (count == 0) {
            return std::nullopt;
        }
        end_ += count;
    }
    stream_.set_limit(stall_limit);
    const auto request = peek();
    begin_ += head_length;
    return request;
}

void NbdRequestReader::payload(std::span<std::byte> room, std::size_t length) {
    auto done = std::min(length, available());
    std::memcpy(room.data(), input_.data() + begin_, done);
    begin_ += done;
    while (done < length) {
        const auto count = stream_.read_some(room.subspan(done, length - done + head_length));
        if (count == 0) {
            throw Error(ErrorCode::unavailable, "the NBD client left in the middle of a write");
        }
        done += count;
    }
    if (const auto beyond = done - length; beyond > 0) {
        std::memcpy(input_.data(), room.data() + length, beyond);
        begin_ = 0;
        end_ = beyond;
    }
}

}  // namespace mk::volumes
