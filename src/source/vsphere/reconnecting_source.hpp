#pragma once
// A BlockSource that gets itself another reader inside the same snapshot when its reader fails: bounded tries with
// growing pauses, between which the caller's hook looks after the session. A reader whose size is not the frozen
// capacity is never read. All channels share one reader; however many of them notice that it is broken, it is replaced
// once, when the next channel is opened.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "block/block_source.hpp"
#include "source/vsphere/session.hpp"

namespace mk::vsphere {

/// Thread-safe. Shared: channels keep it alive.
class ReconnectingSource : public block::BlockSource, public std::enable_shared_from_this<ReconnectingSource> {
  public:
    struct Hooks {
        /// A connected reader; throws Error.
        std::function<std::unique_ptr<block::BlockSource>(const std::stop_token&)> open;
        /// After failure number `attempt` (1..) in a row: makes the session valid. What it throws as unavailable or
        /// timeout counts as a failed try, everything else ends the reading.
        std::function<void(const Error& failure, int attempt, const std::stop_token&)> repair;
    };

    /// Opens at once. `name` is for messages.
    static std::shared_ptr<ReconnectingSource> open(std::string name, Bytes capacity, Hooks hooks, const Pacing& pacing,
                                                    const std::stop_token& stop);

    Bytes capacity() const override { return capacity_; }
    Bytes max_request() const override;
    /// Never waits for a new reader: without one everything is data.
    std::vector<block::Extent> extents(Range range, const std::stop_token& stop) override;
    /// A channel on the current reader, or on a new one when that was found broken. Gives up after `tries` with the
    /// last reason.
    ///
    /// An answer with an error (external) may mean a lost session, so it first counts as the end of the reader: the
    /// channel throws Error{unavailable}, and the caller opens another and asks again. The same range failing `tries`
    /// times is a bad disk: external.
    std::unique_ptr<block::ReadChannel> open_channel(const std::stop_token& stop) override;

    /// From any thread: no channel is opened any more, and those that are open throw Error{conflict} from their next
    /// call on. The reader ends with the last of them.
    void close();

    static constexpr int tries = 5;

  private:
    class Channel;
    using Reader = std::shared_ptr<block::BlockSource>;

    ReconnectingSource(std::string name, Bytes capacity, Hooks hooks, const Pacing& pacing);
    using Use = std::function<std::unique_ptr<block::ReadChannel>(const Reader&, std::uint64_t generation)>;
    /// Calls `use` with a reader that works.
    std::unique_ptr<block::ReadChannel> with_reader(const std::stop_token& stop, const Use& use);
    std::pair<Reader, std::uint64_t> current_or_new(const std::stop_token& stop);
    void recover(const std::stop_token& stop);
    /// With mutex_ held.
    void count_failure(const Error& error);
    Error final_error(const Error& error) const;

    // Told by channels.
    void note_broken(std::uint64_t generation, const Error& error);
    /// True when the range failed so often that the disk is to blame.
    bool note_failed(std::uint64_t generation, Range range, const Error& error);
    void note_read(std::uint64_t generation, Range range);

    const std::string name_;
    const Bytes capacity_;
    const Hooks hooks_;
    const Pacing pacing_;
    std::atomic<bool> closed_ = false;
    std::atomic<bool> has_troubles_ = false;  ///< note_read() is of interest

    /// Held while a reader is replaced, which the stop token of that caller ends. Taken before mutex_.
    std::mutex replacing_;

    mutable std::mutex mutex_;  // protects what follows; held for moments only
    Reader reader_;             ///< null when there is none or the last one is broken
    std::uint64_t generation_ = 0;
    std::optional<Error> failure_;  ///< of the last reader; looked after before the next one is opened
    int failures_ = 0;              ///< in a row, without anything read in between
    std::map<Bytes, int> failed_;   ///< how often reading failed, by offset
};

}  // namespace mk::vsphere
