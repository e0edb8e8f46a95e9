#include "engine/lane.hpp"

#include <algorithm>
#include <bit>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/zero_runs.hpp"

namespace mk::engine {

using std::chrono::steady_clock;

namespace {

/// Bounds what a lane keeps in mind when batches are small.
constexpr std::size_t most_held = 1024;
/// How often the unanswered bytes are looked at for progress.
constexpr std::chrono::milliseconds look_interval{200};
/// Longest wait for work before the lane looks whether it should leave.
constexpr std::chrono::milliseconds patience_for_work{200};

/// Taken at a time as long as nothing is known of the lane's rate, and over a slow line.
constexpr Bytes least_piece = 1 * MiB;
constexpr double seconds_per_piece = 0.5;
/// The first flush comes early: with it the rate is known.
constexpr std::chrono::milliseconds first_flush{250};

bool is_within(Range inner, Range outer) {
    return inner.offset >= outer.offset && inner.end() <= outer.end();
}

}  // namespace

Lane::Lane(DiskCopy& disk, const CopyOptions& options, LaneMeter& meter, const std::atomic<bool>& is_leaving)
    : disk_(disk),
      options_(options),
      meter_(meter),
      is_leaving_(is_leaving),
      reader_(disk, options, meter),
      writer_(disk, options, meter),
      digest_patience_(options.patience),
      max_write_(disk.max_write()),
      piece_(disk.plan().only_compare ? unit_size : least_piece),
      next_flush_(steady_clock::now() + std::min(options.flush_interval, first_flush)) {}

void Lane::connect(const std::stop_token& stop) {
    if (!disk_.plan().only_compare) {
        disk_.wait_for_first_writer(stop);
        writer_.connect(stop);
    }
    if (!disk_.plan().compared.empty()) {
        digests_ = disk_.open_digests(stop);
    }
    reader_.connect(stop);
}

void Lane::run(const std::stop_token& stop) {
    stop_ = stop;
    for (;;) {
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "the copy was stopped");
        }
        fill();
        publish();
        if (is_flush_due()) {
            flush();
        } else if (reader_.in_flight() > 0) {
            handle(reader_.receive(stop_));
        } else if (held_.has_current() || !redo_.empty()) {
            continue;
        } else if (!is_leaving_ && !disk_.work().is_exhausted()) {
            disk_.work().wait(std::min(next_flush_, steady_clock::now() + patience_for_work), stop_);
        } else if (!held_.is_empty()) {
            flush();
        } else {
            return;
        }
    }
}

/// Keeps the reader busy. Zeros need no reader: they are handled on the way. At least one step, so that flushing never
/// takes all the time.
void Lane::fill() {
    while (reader_.has_room() && !stop_.stop_requested()) {
        if (!redo_.empty()) {
            repeat_one();
        } else if (held_.has_current() || take_batch()) {
            step(*held_.current());
        } else {
            return;
        }
        if (is_flush_due()) {
            return;
        }
    }
}

bool Lane::take_batch() {
    if (is_leaving_) {
        return false;
    }
    std::unique_ptr<Batch> batch = disk_.work().take(piece_);
    if (!batch) {
        return false;
    }
    held_.add(std::move(batch));
    return true;
}

void Lane::step(Batch& batch) {
    const Unit unit = batch.units[batch.next_unit];
    if (!batch.is_in_unit) {
        if (unit.is_compared()) {
            ask_target(batch, unit);
        }
        batch.next_offset = unit.range.offset;
        batch.is_in_unit = true;
    }
    if (unit.is_read()) {
        request_leaf(batch, unit);
    } else {
        batch.next_offset = unit.range.end();
    }
    if (batch.next_offset == unit.range.end()) {
        batch.is_in_unit = false;
        ++batch.next_unit;
    }
    if (batch.is_walked()) {
        held_.leave_current();
    }
    if (!unit.is_read()) {
        handle_zeros(batch, unit);  // last: it may start everything over
    }
}

void Lane::request_leaf(Batch& batch, const Unit& unit) {
    const Bytes offset = batch.next_offset;
    const Bytes border = (offset / leaf_size + 1) * leaf_size;
    const Bytes end = std::min(border, unit.range.end());
    const Bytes index = offset / leaf_size - unit.range.offset / leaf_size;
    batch.next_offset = end;
    ++batch.open;
    reader_.request({.range = {offset, end - offset},
                     .batch = &batch,
                     .unit = static_cast<std::uint32_t>(batch.next_unit),
                     .leaf = unit.first_leaf + static_cast<std::uint32_t>(index)});
}

void Lane::handle_zeros(Batch& batch, const Unit& unit) {
    if (unit.kind == UnitKind::compare_zero) {
        compare_zeros(batch, unit);
        return;
    }
    if (unit.target_is_zero) {
        batch.skipped += unit.range.length;
    } else if (!zero(unit.range)) {
        return;
    }
    if (unit.is_in_result()) {
        count_handled(batch, unit.range.length);
    }
}

void Lane::compare_zeros(Batch& batch, const Unit& unit) {
    std::vector<Range> differing;
    for (std::size_t i = 0; i < leaf_count(unit.range); ++i) {
        const Range leaf = leaf_of(unit.range, i);
        if (batch.expected[unit.first_leaf + i] != zero_leaf_digest(leaf.length)) {
            differing.push_back(leaf);
            note_difference(batch, leaf);
        }
    }
    if (!disk_.plan().only_compare) {
        for (const Range& range : sorted_union(std::move(differing))) {
            if (!zero(range)) {
                return;
            }
        }
    }
    count_handled(batch, unit.range.length);
}

/// False when everything started over meanwhile.
bool Lane::zero(Range range) {
    return write(
        [&](block::WriteChannel& channel) {
            is_dirty_ = true;
            channel.zero(range, stop_);
            writer_.note_sent(range.length);
            counts_.zeroed += range.length;
        },
        range);
}

/// What the target holds in a unit that is to be compared. What is found equal may be what an earlier attempt wrote and
/// nobody flushed: it counts as sent, and the channel is open before, so that it knows the instance that was asked.
void Lane::ask_target(Batch& batch, const Unit& unit) {
    batch.expected.resize(batch.leaves.size());
    if (!disk_.plan().only_compare) {
        writer_.make_open(stop_);
        is_dirty_ = true;
    }
    for (;;) {
        try {
            if (!digests_) {
                digests_ = disk_.open_digests(stop_);
            }
            const std::vector<LeafDigest> leaves = digests_->leaves(unit.range, stop_);
            if (leaves.size() != leaf_count(unit.range)) {
                throw Error(ErrorCode::corrupt, "the target answered " + std::to_string(leaves.size()) +
                                                    " digests instead of " + std::to_string(leaf_count(unit.range)));
            }
            std::copy(leaves.begin(), leaves.end(), batch.expected.begin() + unit.first_leaf);
            digest_patience_.progressed();
            return;
        } catch (const Error& error) {
            const Trouble trouble(disk_, "target's digests", error);
            digests_.reset();
            digest_patience_.wait(error, stop_);
        }
    }
}

void Lane::handle(const ReadSide::Answer& answer) {
    const ReadRequest& request = answer.request;
    Batch& batch = *request.batch;
    const Unit unit = batch.units[request.unit];
    counts_.read += request.range.length;
    if (request.is_repeat || !is_as_expected(batch, unit, answer)) {
        Bytes skipped = 0;
        const bool is_sent = write(
            [&](block::WriteChannel& channel) { skipped = send(channel, unit, request.range.offset, answer.data); },
            request.range);
        if (!is_sent) {
            return;
        }
        batch.skipped += request.is_repeat ? 0 : skipped;
    }
    --batch.open;
    if (!request.is_repeat) {
        count_handled(batch, request.range.length);
    }
}

/// The first of a batch is kept at once: when this attempt ends after it was mended, the next one finds nothing.
void Lane::note_difference(Batch& batch, Range range) {
    if (batch.differences.empty()) {
        disk_.add_durable({}, {&range, 1});
    }
    batch.differences.push_back(range);
}

/// Takes the digest. True when nothing needs to be sent.
bool Lane::is_as_expected(Batch& batch, const Unit& unit, const ReadSide::Answer& answer) {
    LeafDigest& digest = batch.leaves[answer.request.leaf];
    if (options_.takes_digests || unit.is_compared()) {
        digest = leaf_digest(answer.data);
    }
    if (!unit.is_compared()) {
        return false;
    }
    if (digest == batch.expected[answer.request.leaf]) {
        return true;
    }
    note_difference(batch, answer.request.range);
    return disk_.plan().only_compare;
}

/// Returns the bytes that needed nothing.
Bytes Lane::send(block::WriteChannel& channel, const Unit& unit, Bytes offset, std::span<const std::byte> data) {
    Bytes skipped = 0;
    for (Bytes at = 0; at < data.size();) {
        const Run run = next_run(data, offset, at);
        at = run.end();
        if (run.is_zero && unit.target_is_zero) {
            skipped += run.length;
            continue;
        }
        is_dirty_ = true;
        if (run.is_zero && run.length >= request_cost) {
            channel.zero({offset + run.start, run.length}, stop_);
            counts_.zeroed += run.length;
        } else {
            for (Bytes start = run.start; start < run.end();) {
                const Bytes length = std::min(max_write_, run.end() - start);
                channel.write(offset + start, data.subspan(start, length), stop_);
                start += length;
            }
            counts_.sent += run.length;
        }
        writer_.note_sent(run.length);
        sent_since_flush_ += run.length;
    }
    return skipped;
}

void Lane::count_handled(Batch& batch, Bytes bytes) {
    batch.handled += bytes;
    if (batch.handled > batch.counted) {
        counts_.done += batch.handled - batch.counted;
        batch.counted = batch.handled;
    }
}

/// Calls work(channel) until it is done. False when the target is another instance: then everything that is not durable
/// started over, and what the caller was doing is void. `current` is what `work` itself writes.
template <class Work>
bool Lane::write(const Work& work, Range current) {
    for (;;) {
        const std::optional<WriteLoss> loss = writer_.attempt(work, stop_);
        if (!loss) {
            return true;
        }
        if (loss->is_other_instance) {
            start_over();
            return false;
        }
        repeat(*loss, current);
    }
}

/// Notes what was not answered. It is read again: buffers are not kept.
void Lane::repeat(const WriteLoss& loss, Range current) {
    for (const Range& lost : loss.unanswered) {
        if (!is_within(lost, current)) {
            held_.reopen(lost, redo_);
        }
    }
}

void Lane::repeat_one() {
    const Redo redo = redo_.back();
    redo_.pop_back();
    if (redo.batch->units[redo.unit].is_read()) {
        reader_.request({.range = redo.range, .batch = redo.batch, .unit = redo.unit, .is_repeat = true});
    } else if (zero(redo.range)) {
        --redo.batch->open;
    }
}

void Lane::start_over() {
    log::warn("event=target_restarted disk={}: what was not flushed is sent again", disk_.name());
    reader_.abandon(stop_);
    redo_.clear();
    held_.rewind();
}

bool Lane::is_flush_due() const {
    if (held_.is_empty()) {
        return false;
    }
    return sent_since_flush_ >= options_.flush_bytes || held_.size() >= held_at_flush_ + most_held ||
           steady_clock::now() >= next_flush_;
}

/// What was handed over completely becomes durable and leaves the lane.
void Lane::flush() {
    auto begin = steady_clock::now();
    const auto make_durable = [&](block::WriteChannel& channel) {
        channel.drain(stop_);
        begin = steady_clock::now();  // what is under way takes its time over a slow line; that is no flushing
        channel.flush(stop_);
    };
    if (is_dirty_) {
        if (!write(make_durable, {})) {
            return;
        }
        writer_.note_flushed();
        is_dirty_ = false;
    }
    sent_since_flush_ = 0;
    settle();
    held_at_flush_ = held_.size();
    const auto end = steady_clock::now();
    measure_rate(end);
    constexpr int share = 20;  // of the time may be spent flushing: one part
    next_flush_ = end + std::max<steady_clock::duration>(options_.flush_interval, (end - begin) * (share - 1));
}

void Lane::measure_rate(Time now) {
    const double elapsed = std::chrono::duration<double>(now - measured_at_).count();
    if (elapsed > 0 && !disk_.plan().only_compare) {
        const double wanted = static_cast<double>(counts_.done - done_then_) / elapsed * seconds_per_piece;
        const double bounded = std::clamp(wanted, static_cast<double>(least_piece), static_cast<double>(unit_size));
        piece_ = std::bit_floor(static_cast<Bytes>(bounded));
    }
    measured_at_ = now;
    done_then_ = counts_.done;
}

void Lane::settle() {
    std::vector<RunDigest> digests;
    std::vector<Range> differences;
    for (std::unique_ptr<Batch>& batch : held_.take_complete()) {
        differences.insert(differences.end(), batch->differences.begin(), batch->differences.end());
        counts_.skipped += batch->skipped;
        for (const Unit& unit : batch->units) {
            counts_.compared += unit.is_compared() ? unit.range.length : 0;
            if (unit.is_in_result() && options_.takes_digests && !disk_.plan().only_compare) {
                digests.push_back(digest_of(*batch, unit));
            }
        }
        disk_.work().give_back(std::move(batch));
    }
    disk_.add_durable(digests, differences);
}

void Lane::publish() {
    const auto now = steady_clock::now();
    if (now >= next_look_ || held_.is_empty()) {
        unanswered_ = writer_.unanswered_bytes();
        next_look_ = now + look_interval;
    }
    meter_.put(counts_, unanswered_);
}

}  // namespace mk::engine
