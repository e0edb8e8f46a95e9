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

JournalContent read_journal(const std::string& path);

/// Appends records; each append is durable when it returns. One thread at a time.
class Journal {
  public:
    /// A new file; Error{conflict} when it exists.
    static Journal create(const std::string& path, const JournalHeader& header);
    /// Goes on after the last whole record that is no seal.
    static Journal reopen(const std::string& path);

    void append_ranges(const std::vector<WrittenRange>& ranges);
    void append_seal(const std::vector<WrittenRange>& pieces);

  private:
    Journal(os::Descriptor file, Bytes end) : file_(std::move(file)), end_(end) {}
    void append(const std::string& payload);

    os::Descriptor file_;
    Bytes end_ = 0;
};

}  // namespace mk::volumes
