#include "tunnel/frames.hpp"

#include <algorithm>
#include <cstring>

#include <zstd.h>

#include "base/error.hpp"

namespace mk::tunnel {
namespace {

Error corrupt(const std::string& what) {
    return Error(ErrorCode::corrupt, "the compressed stream is damaged: " + what,
                 {.consequence = "What came before was complete; nothing of this frame was used."});
}

void put_u32(std::byte* target, std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) {
        target[i] = static_cast<std::byte>(value >> (24U - 8U * i));
    }
}

std::uint32_t get_u32(const std::byte* source) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i) {
        value = value << 8U | std::to_integer<std::uint32_t>(source[i]);
    }
    return value;
}

}  // namespace

std::array<std::byte, frame_header_size> FrameHeader::encoded() const {
    std::array<std::byte, frame_header_size> bytes{};
    bytes[0] = static_cast<std::byte>(kind);
    put_u32(&bytes[1], on_wire);
    put_u32(&bytes[5], unpacked);
    return bytes;
}

FrameHeader FrameHeader::decode(std::span<const std::byte, frame_header_size> bytes) {
    const auto kind = std::to_integer<std::uint8_t>(bytes[0]);
    if (kind > static_cast<std::uint8_t>(FrameKind::zstd)) {
        throw corrupt("a frame of the unknown kind " + std::to_string(kind));
    }
    const FrameHeader header{
        .kind = static_cast<FrameKind>(kind), .on_wire = get_u32(&bytes[1]), .unpacked = get_u32(&bytes[5])};
    const bool is_raw = header.kind == FrameKind::raw;
    if (header.unpacked == 0 || header.unpacked > largest_frame || header.on_wire == 0 ||
        header.on_wire > (is_raw ? header.unpacked : ZSTD_compressBound(header.unpacked)) ||
        (is_raw && header.on_wire != header.unpacked)) {
        throw corrupt("a frame of " + std::to_string(header.on_wire) + " bytes for " + std::to_string(header.unpacked) +
                      " unpacked ones");
    }
    return header;
}

void FrameReader::ContextDeleter::operator()(ZSTD_DCtx_s* context) const noexcept {
    ZSTD_freeDCtx(context);
}

FrameReader::FrameReader() = default;
FrameReader::~FrameReader() = default;

std::optional<std::size_t> FrameReader::get(os::ByteStream& lower, std::span<std::byte> buffer, bool is_waiting) {
    return is_waiting ? std::optional(lower.read_some(buffer)) : lower.read_now(buffer);
}

std::optional<std::size_t> FrameReader::read(os::ByteStream& lower, std::span<std::byte> buffer, bool is_waiting) {
    while (true) {
        if (unpacked_begin_ < unpacked_end_) {
            return give_unpacked(buffer);
        }
        if (!header_) {
            bool is_at_end = false;
            if (!finish_header(lower, is_waiting, is_at_end)) {
                return is_at_end ? std::optional<std::size_t>(0) : std::nullopt;
            }
        }
        if (header_->kind == FrameKind::raw) {
            const auto got = get(lower, buffer.first(std::min(buffer.size(), raw_left_)), is_waiting);
            if (got && *got == 0) {
                throw corrupt("it ends inside of a frame");
            }
            raw_left_ -= got.value_or(0);
            if (raw_left_ == 0) {
                header_.reset();
            }
            return got;
        }
        if (!finish_body(lower, is_waiting)) {
            return std::nullopt;
        }
        if (buffer.size() >= header_->unpacked) {
            return unpack_into(buffer);
        }
        unpacked_.resize(std::max<std::size_t>(unpacked_.size(), header_->unpacked));
        unpacked_end_ = unpack_into(unpacked_);
        unpacked_begin_ = 0;
    }
}

bool FrameReader::finish_header(os::ByteStream& lower, bool is_waiting, bool& is_at_end) {
    while (header_got_ < frame_header_size) {
        const auto got = get(lower, std::span(header_bytes_).subspan(header_got_), is_waiting);
        if (!got) {
            return false;
        }
        if (*got == 0) {
            if (header_got_ > 0) {
                throw corrupt("it ends inside of a frame's header");
            }
            is_at_end = true;
            return false;
        }
        header_got_ += *got;
    }
    header_got_ = 0;
    header_ = FrameHeader::decode(header_bytes_);
    raw_left_ = header_->kind == FrameKind::raw ? header_->unpacked : 0;
    body_got_ = 0;
    return true;
}

bool FrameReader::finish_body(os::ByteStream& lower, bool is_waiting) {
    body_.resize(std::max<std::size_t>(body_.size(), header_->on_wire));
    while (body_got_ < header_->on_wire) {
        const auto rest = std::span(body_).subspan(body_got_, header_->on_wire - body_got_);
        const auto got = get(lower, rest, is_waiting);
        if (!got) {
            return false;
        }
        if (*got == 0) {
            throw corrupt("it ends inside of a frame");
        }
        body_got_ += *got;
    }
    return true;
}

std::size_t FrameReader::unpack_into(std::span<std::byte> target) {
    if (!context_) {
        context_.reset(ZSTD_createDCtx());
        if (!context_) {
            throw Error(ErrorCode::exhausted, "there is no memory for unpacking");
        }
    }
    const std::size_t unpacked =
        ZSTD_decompressDCtx(context_.get(), target.data(), header_->unpacked, body_.data(), header_->on_wire);
    if (ZSTD_isError(unpacked) != 0 || unpacked != header_->unpacked) {
        throw corrupt(ZSTD_isError(unpacked) != 0 ? ZSTD_getErrorName(unpacked)
                                                  : "a frame is shorter than it was announced");
    }
    header_.reset();
    return unpacked;
}

std::size_t FrameReader::give_unpacked(std::span<std::byte> buffer) {
    const auto size = std::min(buffer.size(), unpacked_end_ - unpacked_begin_);
    if (size > 0) {
        std::memcpy(buffer.data(), unpacked_.data() + unpacked_begin_, size);
    }
    unpacked_begin_ += size;
    return size;
}

}  // namespace mk::tunnel
