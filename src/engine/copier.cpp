#include "engine/copier.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <thread>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "engine/chunk_queue.hpp"

namespace mk::engine {

namespace {

/// What one read asks for at most: the reader through vCenter takes no more (vsphere.md section 6.1).
constexpr Bytes chunk_size = 2 * MiB;
/// Bounds memory: 8 MiB per disk.
constexpr std::size_t chunks_in_flight = 4;

/// Between two signs of life while gaps are cleared.
constexpr Bytes clear_step = 1 * GiB;

bool is_all_zero(std::span<const std::byte> data) {
    // The first byte is zero and each byte equals the one before it: memcmp runs at memory speed.
    return data.empty() || (data[0] == std::byte{0} && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

void add_zeros(Sha256& digest, Bytes length) {
    static constexpr std::array<std::byte, 64 * KiB> zeros{};
    while (length > 0) {
        const Bytes step = std::min<Bytes>(length, zeros.size());
        digest.add(std::span(zeros.data(), step));
        length -= step;
    }
}

/// Digest of a whole unit of zeros.
const std::string& zero_unit_digest() {
    static const std::string value = [] {
        Sha256 digest;
        add_zeros(digest, unit_size);
        return digest.finish();
    }();
    return value;
}

/// The reading thread's work.
void read_units(const Plan& plan, block::BlockSource& source, ChunkQueue& queue, const std::stop_token& stop) {
    const Bytes step = std::min(chunk_size, source.max_request());
    for (const Unit& unit : plan.units) {
        for (const block::Extent& piece : unit.pieces) {
            for (Bytes at = piece.range.offset; at < piece.range.end();) {
                const Bytes length = piece.is_zero ? piece.range.length : std::min(step, piece.range.end() - at);
                Chunk chunk{.range = {at, length}, .is_hole = piece.is_zero, .ends_unit = false, .data = {}};
                if (!piece.is_zero) {
                    chunk.data = queue.take_buffer();
                    chunk.data.resize(length);
                    source.read(at, chunk.data, stop);
                }
                at += length;
                chunk.ends_unit = at == unit.range.end();
                if (!queue.push(std::move(chunk), stop)) {
                    return;
                }
            }
        }
    }
}

class Writer {
  public:
    Writer(block::BlockSink& sink, const CopyOptions& options, const std::stop_token& stop)
        : sink_(sink), options_(options), stop_(stop) {}

    void clear(Range range) {
        while (range.length > 0) {
            const Bytes length = std::min(range.length, clear_step);
            handle_zeros({range.offset, length});
            send_zeros();
            report();
            range = {range.offset + length, range.length - length};
        }
    }

    void take(const Chunk& chunk) {
        if (chunk.is_hole) {
            take_hole(chunk.range);
        } else {
            take_data(chunk);
        }
        if (chunk.ends_unit) {
            finish_unit();
        }
        report();
    }

    CopyOutcome finish() {
        send_zeros();
        if (options_.on_flush) {
            options_.on_flush();
        }
        sink_.flush(stop_);
        report();
        return std::move(outcome_);
    }

  private:
    void take_hole(Range range) {
        begin_unit(range.offset);
        if (range.length == unit_size) {
            unit_is_zero_ = true;
        } else {
            add_zeros(digest_, range.length);
        }
        unit_.length += range.length;
        handle_zeros(range);
        outcome_.counts.done += options_.counts_holes ? range.length : 0;
    }

    void take_data(const Chunk& chunk) {
        begin_unit(chunk.range.offset);
        digest_.add(chunk.data);
        unit_.length += chunk.range.length;
        outcome_.counts.read += chunk.range.length;
        for (Bytes at = 0; at < chunk.range.length;) {
            const Bytes length = run_length(chunk, at);
            const std::span<const std::byte> run = std::span(chunk.data).subspan(at, length);
            if (is_zero_run_) {
                handle_zeros({chunk.range.offset + at, length});
            } else {
                send_zeros();
                send_data(chunk.range.offset + at, run);
            }
            at += length;
        }
        outcome_.counts.done += chunk.range.length;
    }

    /// How far the cells from `at` on are all zero, or all not; cells lie on multiples of request_cost of the disk.
    Bytes run_length(const Chunk& chunk, Bytes at) {
        const std::span<const std::byte> data(chunk.data);
        Bytes end = at;
        while (end < data.size()) {
            const Bytes offset = chunk.range.offset + end;
            const Bytes cell = std::min<Bytes>((offset / request_cost + 1) * request_cost - offset, data.size() - end);
            const bool is_zero = is_all_zero(data.subspan(end, cell));
            if (end == at) {
                is_zero_run_ = is_zero;
            } else if (is_zero != is_zero_run_) {
                break;
            }
            end += cell;
        }
        return end - at;
    }

    void handle_zeros(Range range) {
        if (options_.target_is_zero) {
            outcome_.counts.skipped += range.length;
            return;
        }
        if (zeros_.length > 0 && zeros_.end() == range.offset) {
            zeros_.length += range.length;
            return;
        }
        send_zeros();
        zeros_ = range;
    }

    void send_zeros() {
        if (zeros_.length > 0) {
            sink_.zero(zeros_, stop_);
            outcome_.counts.zeroed += zeros_.length;
            zeros_ = {};
        }
    }

    void send_data(Bytes offset, std::span<const std::byte> data) {
        const Bytes step = sink_.max_request();
        for (Bytes at = 0; at < data.size();) {
            const Bytes length = std::min<Bytes>(step, data.size() - at);
            sink_.write(offset + at, data.subspan(at, length), stop_);
            at += length;
        }
        outcome_.counts.sent += data.size();
    }

    void begin_unit(Bytes offset) {
        if (unit_.length == 0) {
            unit_ = {offset, 0};
        }
    }

    void finish_unit() {
        outcome_.digests.push_back({unit_, unit_is_zero_ ? zero_unit_digest() : digest_.finish()});
        unit_ = {};
        unit_is_zero_ = false;
    }

    void report() {
        if (options_.on_progress) {
            options_.on_progress(outcome_.counts);
        }
    }

    block::BlockSink& sink_;
    const CopyOptions& options_;
    std::stop_token stop_;
    CopyOutcome outcome_;
    Sha256 digest_;
    Range unit_;
    bool unit_is_zero_ = false;
    bool is_zero_run_ = false;
    Range zeros_;  ///< seen, not yet sent
};

}  // namespace

CopyOutcome copy_disk(const Plan& plan, block::BlockSource& source, block::BlockSink& sink, const CopyOptions& options,
                      const std::stop_token& stop) {
    Writer writer(sink, options, stop);
    for (const Range& range : plan.cleared) {
        writer.clear(range);
    }
    ChunkQueue queue(chunks_in_flight);
    // The reader stops when the pass is stopped, and when this function leaves for whatever reason (jthread's
    // destructor).
    std::jthread reader([&](const std::stop_token& left) {
        std::stop_source either;
        const std::stop_callback on_stop(stop, [&] { either.request_stop(); });
        const std::stop_callback on_leave(left, [&] { either.request_stop(); });
        try {
            read_units(plan, source, queue, either.get_token());
            queue.close();
        } catch (...) {
            queue.close(std::current_exception());
        }
    });
    while (std::optional<Chunk> chunk = queue.next(stop)) {
        writer.take(*chunk);
        queue.give_back(std::move(chunk->data));
    }
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "the copy was stopped");
    }
    return writer.finish();
}

}  // namespace mk::engine
