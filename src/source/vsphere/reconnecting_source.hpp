#pragma once
// A BlockSource that opens itself again inside the same snapshot when its reader fails: bounded tries with growing
// pauses, between which the caller's hook looks after the session. A reader whose size is not the frozen capacity is
// never read.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "block/block_source.hpp"
#include "source/vsphere/session.hpp"

namespace mk::vsphere {

class ReconnectingSource : public block::BlockSource {
  public:
    struct Hooks {
        /// A connected reader; throws Error.
        std::function<std::unique_ptr<block::BlockSource>(const std::stop_token&)> open;
        /// Before try number `attempt` (1..): makes the session valid. What it throws as unavailable or timeout counts
        /// as a failed try, everything else ends the reading.
        std::function<void(const Error& failure, int attempt, const std::stop_token&)> repair;
    };

    /// Opens at once. `name` is for messages.
    ReconnectingSource(std::string name, Bytes capacity, Hooks hooks, const Pacing& pacing,
                       const std::stop_token& stop);

    Bytes capacity() const override { return capacity_; }
    Bytes max_request() const override;
    void read(Bytes offset, std::span<std::byte> buffer, const std::stop_token& stop) override;
    std::vector<block::Extent> extents(Range range, const std::stop_token& stop) override;

    /// From any thread: waits for a running request, then ends the reader for good. Later reads throw Error{conflict}.
    void close();

    static constexpr int tries = 5;

  private:
    void with_reader(const std::stop_token& stop, const std::function<void(block::BlockSource&)>& use);
    void open_if_needed(const std::stop_token& stop);

    const std::string name_;
    const Bytes capacity_;
    const Hooks hooks_;
    const Pacing pacing_;

    std::mutex mutex_;  // protects the next two; held during a request, which one thread makes at a time anyway
    std::unique_ptr<block::BlockSource> reader_;
    bool closed_ = false;
};

}  // namespace mk::vsphere
