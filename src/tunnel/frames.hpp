#pragma once
// The frames of mk-nbd-zstd/1 (docs/data-plane.md, section 6), the receiving side: 1 byte kind, 4 bytes length on the
// wire, 4 bytes length unpacked, big-endian, then the bytes. Trusts nothing of what comes: sizes are looked at before
// anything is allocated, and unpacking cannot give more than was announced.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "os/byte_stream.hpp"

struct ZSTD_DCtx_s;

namespace mk::tunnel {

inline constexpr std::size_t frame_header_size = 9;
inline constexpr std::size_t largest_frame = MiB;  ///< unpacked

enum class FrameKind : std::uint8_t { raw = 0, zstd = 1 };

struct FrameHeader {
    FrameKind kind = FrameKind::raw;
    std::uint32_t on_wire = 0;
    std::uint32_t unpacked = 0;

    std::array<std::byte, frame_header_size> encoded() const;
    /// Throws Error{corrupt} for an unknown kind and for sizes that no sender of ours makes.
    static FrameHeader decode(std::span<const std::byte, frame_header_size> bytes);
};

/// One thread at a time. Errors: corrupt (nonsense, or an end inside of a frame), and those of the stream below.
class FrameReader {
  public:
    FrameReader();
    ~FrameReader();
    FrameReader(const FrameReader&) = delete;
    FrameReader& operator=(const FrameReader&) = delete;

    /// Bytes of `lower`'s frames, unpacked; 0 when it ended behind a frame. Without `is_waiting` nothing when no byte
    /// is there yet; what came of a frame so far is kept.
    std::optional<std::size_t> read(os::ByteStream& lower, std::span<std::byte> buffer, bool is_waiting);

  private:
    /// Bytes from below into `buffer`; nothing when none is there.
    static std::optional<std::size_t> get(os::ByteStream& lower, std::span<std::byte> buffer, bool is_waiting);
    /// False when more must come first.
    bool finish_header(os::ByteStream& lower, bool is_waiting, bool& is_at_end);
    bool finish_body(os::ByteStream& lower, bool is_waiting);
    std::size_t unpack_into(std::span<std::byte> target);
    std::size_t give_unpacked(std::span<std::byte> buffer);

    struct ContextDeleter {
        void operator()(ZSTD_DCtx_s* context) const noexcept;
    };
    std::unique_ptr<ZSTD_DCtx_s, ContextDeleter> context_;  ///< made with the first packed frame
    std::array<std::byte, frame_header_size> header_bytes_{};
    std::size_t header_got_ = 0;
    std::optional<FrameHeader> header_;  ///< of the frame whose body comes now
    std::size_t raw_left_ = 0;
    std::vector<std::byte> body_;
    std::size_t body_got_ = 0;
    std::vector<std::byte> unpacked_;
    std::size_t unpacked_begin_ = 0;
    std::size_t unpacked_end_ = 0;
};

}  // namespace mk::tunnel
