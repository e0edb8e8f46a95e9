#pragma once
// The staged content of one write session: a sparse file with the data at its place on the disk, and the journal of
// what in it is durable. Lives in the staging folder as <session>.data and <session>.journal.
//
// Order that must hold: data durable, then its ranges in the journal, then the flush is answered; the seal comes last.
// So a range in the journal always has its data, and a sealed overlay is complete.
//
// What arrives is digested on its way, in pieces inside of one leaf; the seal holds these digests, and the apply checks
// them. After a restart they are not known (something unflushed may have been written over a piece): such pieces are
// read once by the seal. Reads and writes may come from several threads; writes into the same leaf take turns, so that
// file, map and digest always agree.

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "target/volumes/block_device.hpp"
#include "target/volumes/journal.hpp"
#include "target/volumes/range_map.hpp"

namespace mk::volumes {

struct OverlayFiles {
    std::string data;
    std::string journal;

    static OverlayFiles in(const std::string& folder, const std::string& session_id);
    bool exist() const;
    /// One of them certainly is not there; false also where that cannot be told.
    bool are_missing() const;
    void remove() const;  ///< no error when they are absent
};

class Overlay {
  public:
    /// Pieces that may keep their digest in memory (about 100 bytes each); what comes later is read by the seal.
    static constexpr std::size_t most_digests = 1'000'000;

    /// Error{exhausted} when the staging folder is full.
    static std::unique_ptr<Overlay> create(const OverlayFiles& files, const JournalHeader& header);
    /// After a restart: what the journal says is there. An incomplete or unused seal is dropped.
    static std::unique_ptr<Overlay> reopen(const OverlayFiles& files);

    Bytes size() const { return size_; }
    void write(Bytes offset, std::span<const std::byte> data);
    void zero(Range range);
    /// Fills the parts of `buffer` that were written here and returns the others.
    std::vector<Range> read(Bytes offset, std::span<std::byte> buffer) const;
    /// The pieces of `range` in order: written ones with their kind, the others with nullptr.
    void walk(Range range, const std::function<void(Range, const Written*)>& visit) const;
    void flush();
    /// Flushes and ends the overlay. No writes after it.
    void seal();
    bool has_writes() const;
    /// Bytes of data that it holds.
    Bytes data_bytes() const;
    /// True after a failure to make something durable: no flush succeeds any more. A reopened one counts only what was
    /// durable.
    bool has_lost_writes() const;
    /// What is read afterwards comes from storage.
    void forget_cached() const { data_.forget_cached(); }

  private:
    /// One at a time per leaf, as far as a fixed number of locks can tell leaves apart. Taken before written_mutex_.
    class LeafLock;

    Overlay(BlockDevice data, Journal journal, Bytes size, RangeMap written);
    std::vector<WrittenRange> make_pieces() const;
    void forget_digests(Range range);

    const Bytes size_;
    const BlockDevice data_;
    std::array<std::mutex, 64> leaf_mutexes_;
    mutable std::mutex written_mutex_;
    RangeMap written_;  ///< everything, as reads see it
    RangeMap dirty_;    ///< not in the journal yet
    mutable std::mutex journal_mutex_;
    Journal journal_;
};

}  // namespace mk::volumes
