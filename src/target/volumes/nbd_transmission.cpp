#include "target/volumes/nbd_transmission.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/log.hpp"
#include "target/volumes/nbd_protocol.hpp"

namespace mk::volumes {
namespace {

using namespace nbd;

/// Of one transfer to or from the backend. Larger ones win nothing on the disks, and the buffer falls out of the
/// processor's cache.
constexpr std::size_t transfer_limit = 1 * MiB;
/// Memory is placed as far behind a page's start as the bytes are on the disk: what lies between can be written
/// directly.
constexpr std::size_t page = 4096;
/// Bytes of replies that may wait for the next request: 16 writes.
constexpr std::size_t most_held_replies = 256;
/// A longer answer is cut; the client asks again for the rest.
constexpr std::size_t most_extents = 4096;

std::uint32_t number_of(const Error& error) {
    switch (error.code()) {
        case ErrorCode::exhausted:
            return enospc;
        case ErrorCode::invalid:
            return einval;
        default:
            return eio;
    }
}

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

NbdTransmission::NbdTransmission(os::ByteStream& stream, const NbdAgreement& agreement)
    : stream_(stream),
      backend_(agreement.lease.backend()),
      has_structured_replies_(agreement.has_structured_replies),
      has_allocation_(agreement.has_allocation),
      size_(backend_.size()),
      reader_(stream),
      buffer_(page + transfer_limit + NbdRequestReader::head_length) {}

void NbdTransmission::run() {
    while (const auto request = reader_.next()) {
        const bool goes_on = answer(*request);
        if (!goes_on || !reader_.peek() || replies_.size() >= most_held_replies) {
            send_replies();
        }
        if (!goes_on) {
            return;
        }
    }
}

bool NbdTransmission::is_within_size(Range range) const {
    return range.offset <= size_ && range.length <= size_ - range.offset;
}

/// False when the connection is over.
bool NbdTransmission::answer(const NbdRequest& request) {
    switch (request.command) {
        case Command::disconnect:
            return false;
        case Command::read:
            read(request);
            return true;
        case Command::block_status:
            tell_allocation(request);
            return true;
        case Command::write:
            if (request.range.length > largest_request) {
                return false;  // the payload that follows is more than we agreed to take
            }
            if (!is_within_size(request.range)) {
                skip_payload(request, enospc);
            } else if (request.range.length == 0) {
                reply(request.cookie, ok);  // there is nothing that FUA could make durable either
            } else if (request.range.length > transfer_limit) {
                write_long(request);
            } else {
                write_run(request);
            }
            return true;
        default:
            reply(request.cookie, perform_simple(request));
            return true;
    }
}

// ---- writing

bool NbdTransmission::continues(Range run, const NbdRequest& next) const {
    return next.command == Command::write && next.range.offset == run.end() &&
           next.range.length <= transfer_limit - run.length && is_within_size(next.range);
}

void NbdTransmission::write_run(NbdRequest request) {
    Range run{request.range.offset, 0};
    const auto room = buffer_.first(buffer_.size()).subspan(run.offset % page);
    bool is_fua = false;
    run_cookies_.clear();
    while (true) {
        reader_.payload(room.subspan(run.length), request.range.length);
        run.length += request.range.length;
        run_cookies_.push_back(request.cookie);
        is_fua = is_fua || (request.flags & flag_fua) != 0;
        const auto next = reader_.peek();
        if (!next || !continues(run, *next) || run_cookies_.size() * 16 >= most_held_replies) {
            break;
        }
        request = *reader_.next();
    }
    const auto error = attempt(request, [&] {
        backend_.write(run.offset, room.first(run.length));
        if (is_fua) {
            backend_.flush();
        }
    });
    for (const auto cookie : run_cookies_) {
        reply(cookie, error);
    }
}

void NbdTransmission::write_long(const NbdRequest& request) {
    std::uint32_t error = ok;
    for (Bytes at = request.range.offset; at < request.range.end();) {
        const auto length = std::min<Bytes>(transfer_limit - at % page, request.range.end() - at);
        const auto room = buffer_.first(buffer_.size()).subspan(at % page);
        reader_.payload(room, length);
        if (error == ok) {  // what follows a failed part must still be taken from the stream
            error = attempt(request, [&] { backend_.write(at, room.first(length)); });
        }
        at += length;
    }
    if (error == ok && (request.flags & flag_fua) != 0) {
        error = attempt(request, [&] { backend_.flush(); });
    }
    reply(request.cookie, error);
}

void NbdTransmission::skip_payload(const NbdRequest& request, std::uint32_t error) {
    for (Bytes left = request.range.length; left > 0;) {
        const auto length = std::min<Bytes>(left, transfer_limit);
        reader_.payload(buffer_.first(buffer_.size()), length);
        left -= length;
    }
    reply(request.cookie, error);
}

// ---- reading

void NbdTransmission::read(const NbdRequest& request) {
    const auto range = request.range;
    std::uint32_t error = range.length > largest_request ? eoverflow : is_within_size(range) ? ok : einval;
    for (Bytes at = range.offset; error == ok && (at < range.end() || range.length == 0);) {
        const auto length = std::min<Bytes>(transfer_limit - at % page, range.end() - at);
        const auto data = buffer_.first(buffer_.size()).subspan(at % page, length);
        error = attempt(request, [&] { backend_.read(at, data); });
        if (error == ok) {
            send_data(request, {at, length}, data);
        } else if (at > range.offset && !has_structured_replies_) {
            throw Error(ErrorCode::external, "a read failed after a part of its reply was sent");
        }
        at += length;
        if (range.length == 0) {
            break;
        }
    }
    if (error != ok) {
        has_structured_replies_ ? reply_error_chunk(request.cookie, error) : reply(request.cookie, error);
    }
}

void NbdTransmission::send_data(const NbdRequest& request, Range slice, std::span<const std::byte> data) {
    if (has_structured_replies_) {
        const bool is_last = slice.end() == request.range.end();
        begin_chunk(is_last ? chunk_done : std::uint16_t{0}, chunk_data, request.cookie, 8 + data.size());
        put_big(replies_, slice.offset);
    } else if (slice.offset == request.range.offset) {
        reply(request.cookie, ok);
    }
    const std::array<std::span<const std::byte>, 2> pieces{bytes_of(replies_), data};
    stream_.write(pieces);
    replies_.clear();
}

void NbdTransmission::tell_allocation(const NbdRequest& request) {
    std::vector<ContentExtent> extents;
    std::uint32_t error = einval;
    if (has_allocation_ && request.range.length > 0 && is_within_size(request.range)) {
        const std::size_t limit = (request.flags & flag_one_extent) != 0 ? 1 : most_extents;
        error = attempt(request, [&] { extents = backend_.extents(request.range, limit); });
    }
    if (error != ok) {
        has_structured_replies_ ? reply_error_chunk(request.cookie, error) : reply(request.cookie, error);
        return;
    }
    begin_chunk(chunk_done, chunk_block_status, request.cookie, 4 + 8 * extents.size());
    put_big(replies_, allocation_context_id);
    for (const auto& extent : extents) {
        put_big(replies_, static_cast<std::uint32_t>(extent.range.length));
        put_big(replies_, extent.is_zero ? state_hole_and_zero : 0);
    }
}

// ---- the others

std::uint32_t NbdTransmission::perform_simple(const NbdRequest& request) {
    const bool has_range = request.command == Command::trim || request.command == Command::write_zeroes;
    if (has_range && !is_within_size(request.range)) {
        return request.command == Command::trim ? einval : enospc;
    }
    return attempt(request, [&] {
        switch (request.command) {
            case Command::flush:
                backend_.flush();
                return;
            case Command::trim:
                break;  // advisory: nothing is discarded, so that nothing can be discarded wrongly
            case Command::write_zeroes:
                backend_.zero(request.range, (request.flags & flag_no_hole) != 0);
                break;
            default:
                throw Error(ErrorCode::invalid, "unknown command");
        }
        if ((request.flags & flag_fua) != 0) {
            backend_.flush();
        }
    });
}

std::uint32_t NbdTransmission::attempt(const NbdRequest& request, const std::function<void()>& action) {
    try {
        action();
        return ok;
    } catch (const Error& error) {
        if (!has_told_error_) {  // a full disk fails every request that follows, too
            has_told_error_ = true;
            log::error("nbd command={} offset={} length={} failed, the first of this connection: {}",
                       static_cast<unsigned>(request.command), request.range.offset, request.range.length,
                       error.full_text());
        }
        return number_of(error);
    }
}

void NbdTransmission::reply(std::uint64_t cookie, std::uint32_t error) {
    put_big(replies_, reply_magic);
    put_big(replies_, error);
    put_big(replies_, cookie);
}

void NbdTransmission::begin_chunk(std::uint16_t flags, std::uint16_t type, std::uint64_t cookie, std::size_t length) {
    put_big(replies_, chunk_magic);
    put_big(replies_, flags);
    put_big(replies_, type);
    put_big(replies_, cookie);
    put_big(replies_, static_cast<std::uint32_t>(length));
}

void NbdTransmission::reply_error_chunk(std::uint64_t cookie, std::uint32_t error) {
    begin_chunk(chunk_done, chunk_error, cookie, 6);
    put_big(replies_, error);
    put_big(replies_, std::uint16_t{0});
}

void NbdTransmission::send_replies() {
    if (!replies_.empty()) {
        stream_.write(bytes_of(replies_));
        replies_.clear();
    }
}

}  // namespace mk::volumes
