#pragma once
// Lets a lane ask for whole leaves from a reader that takes less at a time.

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "block/block_source.hpp"

namespace mk::engine {

/// Cuts requests into pieces of at most `piece` bytes and puts the answers together. Contract of block::ReadChannel: a
/// request of which a piece failed fails as a whole, when all its pieces were answered.
class SplitReadChannel : public block::ReadChannel {
  public:
    SplitReadChannel(std::unique_ptr<block::ReadChannel> channel, Bytes piece);
    void request(Range range) override;
    Reply receive(const std::stop_token& stop) override;
    std::size_t in_flight() const override { return open_.size(); }

  private:
    struct Open {
        Range range;
        std::vector<std::byte> data;
        Bytes missing = 0;
        std::optional<Error> failure{};
    };
    Open& find(Range piece);
    void put(const Reply& reply);

    std::unique_ptr<block::ReadChannel> channel_;
    Bytes piece_;
    std::map<Bytes, Open> open_;  ///< by offset
    Open answered_;               ///< what the last reply points into
};

}  // namespace mk::engine
