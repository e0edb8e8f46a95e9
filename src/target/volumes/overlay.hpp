#pragma once
// The staged content of one write session: a sparse file with the data at its place on the disk, and the journal of
// what in it is durable. Lives in the staging folder as <session>.data and <session>.journal.
//
// Order that must hold: data durable, then its ranges in the journal, then the flush is answered; the seal comes last.
// So a range in the journal always has its data, and a sealed overlay is complete. Reads and writes may come from
// several threads.

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "target/volumes/journal.hpp"
#include "target/volumes/range_map.hpp"

namespace mk::volumes {

/// Sealed pieces and digests cover at most this much each.
inline constexpr Bytes unit_size = 32 * MiB;

struct OverlayFiles {
    std::string data;
    std::string journal;

    static OverlayFiles in(const std::string& folder, const std::string& session_id);
    bool exist() const;
    void remove() const;  ///< no error when they are absent
};

class Overlay {
  public:
    /// Error{exhausted} when the staging folder is full.
    static std::unique_ptr<Overlay> create(const OverlayFiles& files, const JournalHeader& header);
    /// After a restart: what the journal says is there. An incomplete or unused seal is dropped.
    static std::unique_ptr<Overlay> reopen(const OverlayFiles& files);

    Bytes size() const { return size_; }
    void write(Bytes offset, std::span<const std::byte> data);
    void zero(Range range);
    /// Fills the parts of `buffer` that were written here and returns the others.
    std::vector<Range> read(Bytes offset, std::span<std::byte> buffer) const;
    void flush();
    /// Flushes and ends the overlay: pieces of at most one unit with the digests of their data. No writes after it.
    void seal();
    bool has_writes() const;

  private:
    Overlay(os::Descriptor data, Journal journal, Bytes size, RangeMap written);
    std::vector<SealedPiece> make_pieces() const;

    const Bytes size_;
    os::Descriptor data_;
    mutable std::mutex written_mutex_;
    RangeMap written_;  ///< everything, as reads see it
    RangeMap dirty_;    ///< not in the journal yet
    std::mutex journal_mutex_;
    Journal journal_;
};

}  // namespace mk::volumes
