#pragma once
// The journal of a staged write session: which ranges of the overlay are durable, and the seal that allows applying
// them.
//
// A file of records "MKJR" | payload length (u32) | first 8 bytes of SHA-256(payload) | payload, all little-endian:
//   header  once, first: session id, volume id, length of the disk
//   ranges  after each flush, once the overlay's data is durable
//   seal    last: the final ranges; data in pieces inside of one leaf, each with its leaf digest (16 bytes)
// A record that is cut off or damaged ends the journal: everything before it was durable, everything from it on never
// was promised.

#include <optional>
#include <string>
#include <vector>

#include "os/file.hpp"
#include "target/volumes/range_map.hpp"

namespace mk::volumes {

struct JournalHeader {
    std::string session_id;
    std::string volume_id;
    Bytes length = 0;
    bool operator==(const JournalHeader&) const = default;
};

/// What a journal file says.
struct JournalContent {
    std::optional<JournalHeader> header;  ///< nothing: not even the first record was completed
    RangeMap written;
    std::optional<std::vector<WrittenRange>> seal;  ///< data pieces have their digests
    Bytes valid_length = 0;                         ///< of the file; what follows is torn
};

/// A file, and so any record, is never longer: what is longer is damage to who reads it.
constexpr Bytes journal_limit = 1 * GiB;

JournalContent read_journal(const std::string& path);

/// Appends records; each append is durable when it returns. One thread at a time. Error{exhausted} when a record would
/// make the file longer than `limit`; nothing of it is written then.
class Journal {
  public:
    /// A new file; Error{conflict} when it exists.
    static Journal create(const std::string& path, const JournalHeader& header, Bytes limit = journal_limit);
    /// Goes on after the last whole record that is no seal.
    static Journal reopen(const std::string& path, Bytes limit = journal_limit);

    void append_ranges(const std::vector<WrittenRange>& ranges);
    void append_seal(const std::vector<WrittenRange>& pieces);
    /// True after a failure to make a record durable: from then on nothing can be appended.
    bool has_lost_writes() const { return has_lost_writes_; }

  private:
    Journal(os::Descriptor file, Bytes end, Bytes limit) : file_(std::move(file)), end_(end), limit_(limit) {}
    void append(const std::string& payload);

    os::Descriptor file_;
    Bytes end_ = 0;
    Bytes limit_ = journal_limit;
    bool has_lost_writes_ = false;
};

}  // namespace mk::volumes
