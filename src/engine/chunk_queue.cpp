#include "engine/chunk_queue.hpp"

#include "base/error.hpp"

namespace mk::engine {

bool ChunkQueue::push(Chunk chunk, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [&] { return chunks_.size() < limit_; })) {
        return false;
    }
    chunks_.push_back(std::move(chunk));
    changed_.notify_all();
    return true;
}

void ChunkQueue::close(std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    failure_ = std::move(failure);
    changed_.notify_all();
}

std::optional<Chunk> ChunkQueue::next(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [&] { return closed_ || !chunks_.empty(); })) {
        throw Error(ErrorCode::cancelled, "the copy was stopped");
    }
    if (chunks_.empty()) {
        if (failure_) {
            std::rethrow_exception(failure_);
        }
        return std::nullopt;
    }
    Chunk chunk = std::move(chunks_.front());
    chunks_.pop_front();
    changed_.notify_all();
    return chunk;
}

void ChunkQueue::give_back(std::vector<std::byte> buffer) {
    const std::lock_guard lock(mutex_);
    if (free_.size() <= limit_) {
        free_.push_back(std::move(buffer));
    }
}

std::vector<std::byte> ChunkQueue::take_buffer() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) {
        return {};
    }
    std::vector<std::byte> buffer = std::move(free_.back());
    free_.pop_back();
    return buffer;
}

}  // namespace mk::engine
