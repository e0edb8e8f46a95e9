#pragma once
// Hand-over between the thread that reads and the one that writes: bounded, stoppable, carries the reader's failure.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/bytes.hpp"

namespace mk::engine {

/// A piece of a unit, in order.
struct Chunk {
    Range range;
    bool is_hole = false;  ///< known to be zero: no data
    bool ends_unit = false;
    std::vector<std::byte> data;
};

class ChunkQueue {
  public:
    explicit ChunkQueue(std::size_t limit) : limit_(limit) {}

    /// Waits for room. False when stopped: the chunk is dropped.
    bool push(Chunk chunk, const std::stop_token& stop);
    /// No more chunks come; with a failure, next() throws it after the chunks before it.
    void close(std::exception_ptr failure = nullptr);
    /// Nothing when closed and empty. Throws the reader's failure, Error{cancelled} when stopped.
    std::optional<Chunk> next(const std::stop_token& stop);
    /// A buffer to be used again.
    void give_back(std::vector<std::byte> buffer);
    std::vector<std::byte> take_buffer();

  private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::size_t limit_;
    std::deque<Chunk> chunks_;
    std::vector<std::vector<std::byte>> free_;
    bool closed_ = false;
    std::exception_ptr failure_;
};

}  // namespace mk::engine
