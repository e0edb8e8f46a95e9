#include "target/volumes/overlay.hpp"

#include <algorithm>
#include <bitset>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "target/volumes/leaf_file.hpp"

namespace mk::volumes {

OverlayFiles OverlayFiles::in(const std::string& folder, const std::string& session_id) {
    return {folder + "/" + session_id + ".data", folder + "/" + session_id + ".journal"};
}

bool OverlayFiles::exist() const {
    return ::access(data.c_str(), F_OK) == 0 && ::access(journal.c_str(), F_OK) == 0;
}

bool OverlayFiles::are_missing() const {
    const auto is_absent = [](const std::string& path) { return ::access(path.c_str(), F_OK) != 0 && errno == ENOENT; };
    return is_absent(data) || is_absent(journal);
}

void OverlayFiles::remove() const {
    os::remove_file(data);
    os::remove_file(journal);
}

class Overlay::LeafLock {
  public:
    LeafLock(std::array<std::mutex, 64>& mutexes, Range range) : mutexes_(mutexes) {
        const auto first = range.offset / leaf_size;
        const auto count = std::min<Bytes>(mutexes.size(), leaf_count(range));
        for (Bytes i = 0; i < count; ++i) {
            taken_.set((first + i) % mutexes.size());
        }
        for (std::size_t i = 0; i < mutexes_.size(); ++i) {  // in this order everywhere: nobody waits in a circle
            if (taken_[i]) {
                mutexes_[i].lock();
            }
        }
    }
    ~LeafLock() {
        for (std::size_t i = 0; i < mutexes_.size(); ++i) {
            if (taken_[i]) {
                mutexes_[i].unlock();
            }
        }
    }
    LeafLock(const LeafLock&) = delete;
    LeafLock& operator=(const LeafLock&) = delete;

  private:
    std::array<std::mutex, 64>& mutexes_;
    std::bitset<64> taken_;
};

Overlay::Overlay(BlockDevice data, Journal journal, Bytes size, RangeMap written)
    : size_(size), data_(std::move(data)), written_(std::move(written)), journal_(std::move(journal)) {}

std::unique_ptr<Overlay> Overlay::create(const OverlayFiles& files, const JournalHeader& header) {
    const auto data = os::open_file(files.data, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (::ftruncate(data.get(), static_cast<off_t>(header.length)) != 0) {
        throw os::system_error("make " + files.data, errno);
    }
    std::unique_ptr<Overlay> overlay(
        new Overlay(BlockDevice(files.data), Journal::create(files.journal, header), header.length, {}));
    sync_folder(std::filesystem::path(files.data).parent_path().string());  // durable content needs a durable name
    return overlay;
}

std::unique_ptr<Overlay> Overlay::reopen(const OverlayFiles& files) {
    auto content = read_journal(files.journal);
    if (!content.header) {
        throw Error(ErrorCode::corrupt, "the journal " + files.journal + " has no header",
                    {.consequence = "The volume is unchanged.", .remedy = "Abort the write session and copy again."});
    }
    return std::unique_ptr<Overlay>(new Overlay(BlockDevice(files.data), Journal::reopen(files.journal),
                                                content.header->length, std::move(content.written)));
}

void Overlay::write(Bytes offset, std::span<const std::byte> data) {
    const Range range{offset, data.size()};
    const LeafLock leaves(leaf_mutexes_, range);
    std::vector<WrittenRange> pieces;
    for (std::size_t i = 0; i < leaf_count(range); ++i) {
        const auto piece = leaf_of(range, i);
        pieces.push_back({piece, Written::data, leaf_digest(data.subspan(piece.offset - offset, piece.length))});
    }
    try {
        data_.write(offset, data);
    } catch (const Error&) {
        forget_digests(range);  // a part may have arrived
        throw;
    }
    const std::lock_guard lock(written_mutex_);
    const bool keeps_digests = written_.digest_count() < most_digests;
    for (const auto& piece : pieces) {
        written_.assign(piece.range, piece.kind, keeps_digests ? piece.digest : std::nullopt);
    }
    dirty_.assign(range, Written::data);
}

void Overlay::forget_digests(Range range) {
    const std::lock_guard lock(written_mutex_);
    std::vector<Range> data;
    written_.walk(range, [&](Range piece, const Written* kind) {
        if (kind != nullptr && *kind == Written::data) {
            data.push_back(piece);
        }
    });
    for (const auto& piece : data) {
        written_.assign(piece, Written::data);
    }
}

void Overlay::zero(Range range) {
    const LeafLock leaves(leaf_mutexes_, range);
    {
        const std::lock_guard lock(written_mutex_);
        written_.assign(range, Written::zero);
        dirty_.assign(range, Written::zero);
    }
    data_.give_back(range);  // the journal alone says that the range is zero
}

void Overlay::walk(Range range, const std::function<void(Range, const Written*)>& visit) const {
    const std::lock_guard lock(written_mutex_);
    written_.walk(range, visit);
}

std::vector<Range> Overlay::read(Bytes offset, std::span<std::byte> buffer) const {
    std::vector<Range> data;
    std::vector<Range> absent;
    walk({offset, buffer.size()}, [&](Range piece, const Written* kind) {
        if (kind != nullptr && *kind == Written::zero) {
            std::memset(buffer.data() + (piece.offset - offset), 0, piece.length);
            return;
        }
        auto& list = kind == nullptr ? absent : data;
        if (!list.empty() && list.back().end() == piece.offset) {
            list.back().length += piece.length;
        } else {
            list.push_back(piece);
        }
    });
    for (const auto& piece : data) {
        data_.read(piece.offset, buffer.subspan(piece.offset - offset, piece.length));
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
        data_.flush();
        journal_.append_ranges(taken.ranges());
    } catch (const Error&) {
        const std::lock_guard lock(written_mutex_);
        taken.assign(dirty_);
        dirty_ = std::move(taken);
        throw;
    }
}

std::vector<WrittenRange> Overlay::make_pieces() const {
    std::vector<WrittenRange> pieces;
    AlignedBuffer buffer(leaf_size);
    for (const auto& written : written_.ranges()) {
        if (written.kind == Written::zero || written.digest) {
            pieces.push_back(written);
            continue;
        }
        for (std::size_t i = 0; i < leaf_count(written.range); ++i) {
            const auto piece = leaf_of(written.range, i);
            const auto bytes = buffer.first(piece.length);
            data_.read(piece.offset, bytes);
            pieces.push_back({piece, Written::data, leaf_digest(bytes)});
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

bool Overlay::has_lost_writes() const {
    const std::lock_guard journal_lock(journal_mutex_);
    return data_.has_lost_writes() || journal_.has_lost_writes();
}

bool Overlay::has_writes() const {
    const std::lock_guard lock(written_mutex_);
    return !written_.empty();
}

Bytes Overlay::data_bytes() const {
    const std::lock_guard lock(written_mutex_);
    return written_.data_bytes();
}

}  // namespace mk::volumes
