#pragma once
// A lane's read channel: opened when needed, opened again when lost, with the requests that were not answered. One
// thread.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/batch.hpp"
#include "engine/disk_copy.hpp"
#include "engine/lane_meter.hpp"
#include "engine/patience.hpp"
#include "engine/read_depth.hpp"

namespace mk::engine {

struct ReadRequest {
    Range range;
    Batch* batch = nullptr;
    std::uint32_t unit = 0;
    std::uint32_t leaf = 0;  ///< in Batch::leaves
    bool is_repeat = false;  ///< was digested before: only sent again
    int attempts = 1;
    ReadDepth::Time asked{};
};

class ReadSide {
  public:
    ReadSide(DiskCopy& disk, const CopyOptions& options, LaneMeter& meter);

    /// Opens the channel unless it is open; tried once.
    void connect(const std::stop_token& stop) {
        if (!channel_) {
            open(stop);
        }
    }
    std::size_t in_flight() const { return requests_.size(); }
    bool has_room() const { return requests_.size() < depth_.limit(); }
    void request(const ReadRequest& request);

    struct Answer {
        ReadRequest request;
        std::span<const std::byte> data;  ///< until the next call
    };
    /// Of any request in flight. Throws what cannot be repeated.
    Answer receive(const std::stop_token& stop);
    /// Takes the answers that are on their way, and drops them with all requests.
    void abandon(const std::stop_token& stop);

  private:
    void open(const std::stop_token& stop);
    ReadRequest& find(Range range);
    void note_failure(const block::ReadFailure& failure);
    void repeat_failed(const std::stop_token& stop);
    void lose_channel(const Error& error, const std::stop_token& stop);

    DiskCopy& disk_;
    LaneMeter& meter_;
    ReadDepth depth_;
    int most_attempts_;
    std::chrono::milliseconds pause_;  ///< before a request that failed is repeated; grows with the attempts
    Patience patience_;
    std::unique_ptr<block::ReadChannel> channel_;
    std::vector<ReadRequest> requests_;
    std::optional<Trouble> trouble_;  ///< until something is answered again
    std::optional<Range> failed_;     ///< answered with an error, to be asked for again
    bool has_moved_ = false;          ///< something was answered on this channel
};

}  // namespace mk::engine
