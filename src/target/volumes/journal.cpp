#include "target/volumes/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.hpp"

namespace mk::volumes {
namespace {

constexpr std::string_view magic = "MKJR";
constexpr std::size_t frame_length = 4 + 4 + 8;

enum class RecordType : std::uint8_t { header = 1, ranges = 2, seal = 3 };

void put(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
        out += static_cast<char>((value >> (8 * i)) & 0xff);
    }
}

void put_text(std::string& out, const std::string& text) {
    put(out, text.size(), 4);
    out += text;
}

/// Reads from a payload; `failed` once something does not fit.
struct Cursor {
    std::string_view rest;
    bool failed = false;

    std::uint64_t number(std::size_t bytes) {
        if (rest.size() < bytes) {
            failed = true;
            return 0;
        }
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) {
            value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest[i])) << (8 * i);
        }
        rest.remove_prefix(bytes);
        return value;
    }
    std::string text(std::size_t length) {
        if (rest.size() < length) {
            failed = true;
            return {};
        }
        std::string value(rest.substr(0, length));
        rest.remove_prefix(length);
        return value;
    }
};

void put_range(std::string& out, const WrittenRange& written) {
    put(out, static_cast<std::uint8_t>(written.kind), 1);
    put(out, written.range.offset, 8);
    put(out, written.range.length, 8);
}

WrittenRange get_range(Cursor& cursor, Bytes disk_length) {
    WrittenRange written;
    const auto kind = cursor.number(1);
    written.range.offset = cursor.number(8);
    written.range.length = cursor.number(8);
    written.kind = kind == 1 ? Written::data : Written::zero;
    const bool fits = written.range.length <= disk_length && written.range.offset <= disk_length - written.range.length;
    cursor.failed = cursor.failed || (kind != 1 && kind != 2) || !fits;
    return written;
}

void put_digest(std::string& out, const LeafDigest& digest) {
    out.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
}

LeafDigest get_digest(Cursor& cursor) {
    LeafDigest digest;
    const auto text = cursor.text(digest.bytes.size());
    std::memcpy(digest.bytes.data(), text.data(), text.size());
    return digest;
}

std::string checksum(std::string_view payload) {
    return sha256_hex(payload).substr(0, 16);
}

std::string to_hex_of(std::uint64_t value) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string hex;
    for (int i = 0; i < 8; ++i) {
        const auto byte = (value >> (8 * i)) & 0xff;
        hex += digits[byte >> 4];
        hex += digits[byte & 15];
    }
    return hex;
}

/// The 8 bytes of a checksum in hex, as the number whose little-endian bytes they are.
std::uint64_t from_hex(const std::string& hex) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        value |= static_cast<std::uint64_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16)) << (8 * i);
    }
    return value;
}

std::string frame(const std::string& payload) {
    std::string record(magic);
    put(record, payload.size(), 4);
    put(record, from_hex(checksum(payload)), 8);
    return record + payload;
}

/// The payload of the record at the front of `file`, removing it; nothing when it is cut off or damaged.
std::optional<std::string_view> take_record(std::string_view& file) {
    if (file.size() < frame_length || file.substr(0, 4) != magic) {
        return std::nullopt;
    }
    Cursor cursor{file.substr(4)};
    const auto length = cursor.number(4);
    const auto expected = to_hex_of(cursor.number(8));
    if (length > journal_limit || file.size() - frame_length < length) {
        return std::nullopt;
    }
    const auto payload = file.substr(frame_length, length);
    if (payload.empty() || checksum(payload) != expected) {
        return std::nullopt;
    }
    file.remove_prefix(frame_length + length);
    return payload;
}

bool take_header(Cursor& cursor, JournalContent& content) {
    JournalHeader header;
    header.session_id = cursor.text(cursor.number(4));
    header.volume_id = cursor.text(cursor.number(4));
    header.length = cursor.number(8);
    if (cursor.failed || content.header) {
        return false;
    }
    content.header = header;
    return true;
}

bool take_ranges(Cursor& cursor, JournalContent& content) {
    RangeMap added;
    for (auto count = cursor.number(4); count > 0 && !cursor.failed; --count) {
        const auto written = get_range(cursor, content.header->length);
        if (!cursor.failed) {
            added.assign(written.range, written.kind);
        }
    }
    if (!cursor.failed) {
        content.written.assign(added);
    }
    return !cursor.failed;
}

bool take_seal(Cursor& cursor, JournalContent& content) {
    std::vector<WrittenRange> pieces;
    for (auto count = cursor.number(4); count > 0 && !cursor.failed; --count) {
        auto piece = get_range(cursor, content.header->length);
        if (piece.kind == Written::data) {
            piece.digest = get_digest(cursor);
        }
        pieces.push_back(piece);
    }
    if (!cursor.failed) {
        content.seal = std::move(pieces);
    }
    return !cursor.failed;
}

bool take(std::string_view payload, JournalContent& content) {
    Cursor cursor{payload};
    const auto type = static_cast<RecordType>(cursor.number(1));
    if (type == RecordType::header) {
        return take_header(cursor, content);
    }
    if (!content.header || content.seal) {
        return false;
    }
    if (type == RecordType::ranges) {
        return take_ranges(cursor, content);
    }
    return type == RecordType::seal && take_seal(cursor, content);
}

/// `before_seal` receives the length of the file up to the seal, or the whole valid length without one.
JournalContent parse(std::string_view file, Bytes* before_seal) {
    JournalContent content;
    const auto whole = file.size();
    *before_seal = 0;
    while (const auto payload = take_record(file)) {
        if (!take(*payload, content)) {
            break;
        }
        content.valid_length = whole - file.size();
        if (!content.seal) {
            *before_seal = content.valid_length;
        }
    }
    return content;
}

}  // namespace

JournalContent read_journal(const std::string& path) {
    Bytes ignored = 0;
    return parse(os::read_file(path, journal_limit), &ignored);
}

Journal Journal::create(const std::string& path, const JournalHeader& header, Bytes limit) {
    Journal journal(os::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600), 0, limit);
    std::string payload;
    put(payload, static_cast<std::uint8_t>(RecordType::header), 1);
    put_text(payload, header.session_id);
    put_text(payload, header.volume_id);
    put(payload, header.length, 8);
    journal.append(payload);
    return journal;
}

Journal Journal::reopen(const std::string& path, Bytes limit) {
    Bytes end = 0;
    if (!parse(os::read_file(path, journal_limit), &end).header) {
        throw Error(ErrorCode::corrupt, "the journal " + path + " has no header");
    }
    auto file = os::open_file(path, O_WRONLY);
    if (::ftruncate(file.get(), static_cast<off_t>(end)) != 0 || ::fdatasync(file.get()) != 0) {
        throw os::system_error("cut " + path, errno);
    }
    return Journal(std::move(file), end, limit);
}

void Journal::append(const std::string& payload) {
    if (has_lost_writes_) {
        throw Error(ErrorCode::external, "an earlier record of the journal could not be made durable",
                    {.consequence = "The volume is untouched; what was not durable before counts as lost.",
                     .remedy = "Replicate the machine again; it goes on with what is durable.",
                     .retry_safe = true});
    }
    if (payload.size() + frame_length + end_ > limit_) {
        throw Error(ErrorCode::exhausted, "the journal of the staged changes would grow beyond " + format_bytes(limit_),
                    {.consequence = "The volume is untouched; these changes cannot be staged in one session.",
                     .remedy = "Abort the write session, and replicate this machine in full or more often."});
    }
    const auto record = frame(payload);
    os::write_at(file_.get(), end_, std::as_bytes(std::span(record.data(), record.size())));
    if (::fdatasync(file_.get()) != 0) {
        has_lost_writes_ = true;
        throw os::system_error("make the journal durable", errno);
    }
    end_ += record.size();  // only now: a record that failed is overwritten by the next
}

void Journal::append_ranges(const std::vector<WrittenRange>& ranges) {
    std::string payload;
    put(payload, static_cast<std::uint8_t>(RecordType::ranges), 1);
    put(payload, ranges.size(), 4);
    for (const auto& written : ranges) {
        put_range(payload, written);
    }
    append(payload);
}

void Journal::append_seal(const std::vector<WrittenRange>& pieces) {
    std::string payload;
    put(payload, static_cast<std::uint8_t>(RecordType::seal), 1);
    put(payload, pieces.size(), 4);
    for (const auto& piece : pieces) {
        put_range(payload, piece);
        if (piece.kind == Written::data) {
            put_digest(payload, piece.digest.value());
        }
    }
    append(payload);
}

}  // namespace mk::volumes
