#include "target/volumes/overlay.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "target/volumes/block_device.hpp"

namespace mk::volumes {

OverlayFiles OverlayFiles::in(const std::string& folder, const std::string& session_id) {
    return {folder + "/" + session_id + ".data", folder + "/" + session_id + ".journal"};
}

bool OverlayFiles::exist() const {
    return ::access(data.c_str(), F_OK) == 0 && ::access(journal.c_str(), F_OK) == 0;
}

void OverlayFiles::remove() const {
    os::remove_file(data);
    os::remove_file(journal);
}

Overlay::Overlay(os::Descriptor data, Journal journal, Bytes size, RangeMap written)
    : size_(size), data_(std::move(data)), written_(std::move(written)), journal_(std::move(journal)) {}

std::unique_ptr<Overlay> Overlay::create(const OverlayFiles& files, const JournalHeader& header) {
    auto data = os::open_file(files.data, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (::ftruncate(data.get(), static_cast<off_t>(header.length)) != 0) {
        throw os::system_error("make " + files.data, errno);
    }
    return std::unique_ptr<Overlay>(
        new Overlay(std::move(data), Journal::create(files.journal, header), header.length, {}));
}

std::unique_ptr<Overlay> Overlay::reopen(const OverlayFiles& files) {
    auto content = read_journal(files.journal);
    if (!content.header) {
        throw Error(ErrorCode::corrupt, "the journal " + files.journal + " has no header",
                    {.consequence = "The volume is unchanged.", .remedy = "Abort the write session and copy again."});
    }
    return std::unique_ptr<Overlay>(new Overlay(os::open_file(files.data, O_RDWR), Journal::reopen(files.journal),
                                                content.header->length, std::move(content.written)));
}

void Overlay::write(Bytes offset, std::span<const std::byte> data) {
    os::write_at(data_.get(), offset, data);
    const std::lock_guard lock(written_mutex_);
    written_.assign({offset, data.size()}, Written::data);
    dirty_.assign({offset, data.size()}, Written::data);
}

void Overlay::zero(Range range) {
    {
        const std::lock_guard lock(written_mutex_);
        written_.assign(range, Written::zero);
        dirty_.assign(range, Written::zero);
    }
    // Only gives space back: the journal alone says that the range is zero.
    ::fallocate(data_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(range.offset),
                static_cast<off_t>(range.length));
}

std::vector<Range> Overlay::read(Bytes offset, std::span<std::byte> buffer) const {
    std::vector<Range> data;
    std::vector<Range> absent;
    {
        const std::lock_guard lock(written_mutex_);
        written_.walk({offset, buffer.size()}, [&](Range piece, const Written* kind) {
            if (kind == nullptr) {
                absent.push_back(piece);
            } else if (*kind == Written::data) {
                data.push_back(piece);
            } else {
                std::memset(buffer.data() + (piece.offset - offset), 0, piece.length);
            }
        });
    }
    for (const auto& piece : data) {
        os::read_at(data_.get(), piece.offset, buffer.subspan(piece.offset - offset, piece.length));
    }
    return absent;
}

void Overlay::flush() {
    const std::lock_guard journal_lock(journal_mutex_);
    RangeMap taken;
    {
        const std::lock_guard lock(written_mutex_);
        std::swap(taken, dirty_);
    }
    if (taken.empty()) {
        return;
    }
    try {
        if (::fdatasync(data_.get()) != 0) {
            throw os::system_error("make the staged data durable", errno);
        }
        journal_.append_ranges(taken.ranges());
    } catch (const Error&) {
        const std::lock_guard lock(written_mutex_);
        taken.assign(dirty_);
        dirty_ = std::move(taken);
        throw;
    }
}

std::vector<SealedPiece> Overlay::make_pieces() const {
    std::vector<SealedPiece> pieces;
    AlignedBuffer buffer(unit_size);
    for (const auto& written : written_.ranges()) {
        if (written.kind == Written::zero) {
            pieces.push_back({written, ""});
            continue;
        }
        for (Bytes at = written.range.offset; at < written.range.end();) {
            const Bytes unit_end = (at / unit_size + 1) * unit_size;
            const Bytes length = std::min(unit_end, written.range.end()) - at;
            const auto piece = buffer.first(length);
            os::read_at(data_.get(), at, piece);
            pieces.push_back({{{at, length}, Written::data}, sha256_hex(std::span<const std::byte>(piece))});
            at += length;
        }
    }
    return pieces;
}

void Overlay::seal() {
    flush();
    const std::lock_guard journal_lock(journal_mutex_);
    const std::lock_guard lock(written_mutex_);
    journal_.append_seal(make_pieces());
}

bool Overlay::has_writes() const {
    const std::lock_guard lock(written_mutex_);
    return !written_.empty();
}

}  // namespace mk::volumes
