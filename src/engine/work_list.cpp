#include "engine/work_list.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"

namespace mk::engine {

using block::Extent;

namespace {

/// One question for holes. Long enough to cost nothing, short enough to be answered at once.
constexpr Bytes measured_window = 1 * GiB;
/// Longest zero request outside of the plan: a target that must write zeros takes about a second.
constexpr Bytes clear_step = 256 * MiB;
/// Batches ready for lanes; more gains nothing.
constexpr std::size_t most_ready = 64;
/// Bounds a batch of tiny areas.
constexpr std::size_t most_units = 512;

Bytes up(Bytes offset) {
    return (offset + alignment - 1) / alignment * alignment;
}

Bytes down(Bytes offset) {
    return offset / alignment * alignment;
}

void append(std::vector<Extent>& out, Bytes start, Bytes end, bool is_zero) {
    if (start >= end) {
        return;
    }
    if (!out.empty() && out.back().is_zero == is_zero) {
        out.back().range.length += end - start;
    } else {
        out.push_back({{start, end - start}, is_zero});
    }
}

/// Holes shrink to the alignment; those that cost more as a request of their own than as data become data.
void append_simplified(std::vector<Extent>& out, const Extent& extent, Range part) {
    const Bytes start = std::max(extent.range.offset, part.offset);
    const Bytes end = std::min(extent.range.end(), part.end());
    if (!extent.is_zero) {
        append(out, start, end, false);
        return;
    }
    const Bytes hole_start = start == part.offset ? start : up(start);
    const Bytes hole_end = end == part.end() ? end : down(end);
    const bool is_all = start == part.offset && end == part.end();
    if (hole_start >= hole_end || (hole_end - hole_start < request_cost && !is_all)) {
        append(out, start, end, false);
        return;
    }
    append(out, start, hole_start, false);
    append(out, hole_start, hole_end, true);
    append(out, hole_end, end, false);
}

void check_cover(const std::vector<Extent>& extents, Range range) {
    Bytes at = range.offset;
    for (const Extent& extent : extents) {
        if (extent.range.offset != at || extent.range.length == 0 || extent.range.length > range.end() - at) {
            throw Error(ErrorCode::corrupt, "the reader's answer about holes has a gap at offset " + std::to_string(at),
                        {.consequence = "Without it nothing can be copied exactly.", .retry_safe = true});
        }
        at = extent.range.end();
    }
    if (at != range.end()) {
        throw Error(ErrorCode::corrupt,
                    "the reader's answer about holes ends at offset " + std::to_string(at) + " instead of " +
                        std::to_string(range.end()),
                    {.consequence = "Without it nothing can be copied exactly.", .retry_safe = true});
    }
}

/// What lies before `border`, of a batch that nobody has begun.
void move_beginning(Batch& from, Bytes border, Batch& to) {
    const std::vector<Unit> units = std::move(from.units);
    from.clear();
    for (Unit unit : units) {
        const bool is_cut = unit.range.offset < border && unit.range.end() > border && unit.is_in_result();
        if (is_cut) {
            Unit first = unit;
            first.range.length = border - unit.range.offset;
            to.add(first);
            unit.range = {border, unit.range.end() - border};
        }
        (unit.range.offset < border ? to : from).add(unit);
    }
}

}  // namespace

/// Turns segments and extents into batches.
class WorkList::Filler {
  public:
    Filler(WorkList& list, block::BlockSource& source, std::stop_token stop)
        : list_(list), plan_(list.plan_), source_(source), stop_(std::move(stop)) {}

    void run() {
        const std::vector<Segment>& segments = list_.segments_;
        Bytes at = 0;
        for (std::size_t i = 0; i < segments.size();) {
            const Segment& segment = segments[i];
            if (segment.kind == Segment::Kind::gap) {
                clear(segment.range);
                ++i;
                continue;
            }
            const Bytes start = std::max(segment.range.offset, at);
            measure(start, i);
            for (; i < segments.size() && segments[i].range.offset < window_.end(); ++i) {
                take(segments[i]);
                if (segments[i].range.end() > window_.end()) {
                    break;
                }
            }
            at = window_.end();
        }
        push();
    }

  private:
    /// One question for all that begins between here and the next multiple of the window's length.
    void measure(Bytes start, std::size_t first) {
        const Bytes limit = (start / measured_window + 1) * measured_window;
        Bytes end = start;
        for (std::size_t i = first; i < list_.segments_.size() && list_.segments_[i].range.offset < limit; ++i) {
            if (list_.segments_[i].kind != Segment::Kind::gap) {
                end = std::min(limit, list_.segments_[i].range.end());
            }
        }
        window_ = {start, end - start};
        extents_ = source_.extents(window_, stop_);
        check_cover(extents_, window_);
        next_extent_ = 0;
    }

    void take(const Segment& segment) {
        if (segment.kind == Segment::Kind::gap) {
            clear(segment.range);
            return;
        }
        const Bytes start = std::max(segment.range.offset, window_.offset);
        const Range part{start, std::min(segment.range.end(), window_.end()) - start};
        pieces_.clear();
        while (next_extent_ < extents_.size() && extents_[next_extent_].range.end() <= part.offset) {
            ++next_extent_;
        }
        for (std::size_t i = next_extent_; i < extents_.size() && extents_[i].range.offset < part.end(); ++i) {
            append_simplified(pieces_, extents_[i], part);
        }
        for (const Extent& piece : pieces_) {
            take(piece, segment.kind == Segment::Kind::compare);
        }
    }

    void take(const Extent& piece, bool is_compared) {
        if (is_compared) {
            add(piece.range, piece.is_zero ? UnitKind::compare_zero : UnitKind::compare);
        } else if (!piece.is_zero) {
            add(piece.range, UnitKind::copy);
        } else if (!plan_.is_full) {
            add(piece.range, UnitKind::zero);
        } else {
            list_.planned_ -= piece.range.length;
            list_.skipped_ += piece.range.length - clear(piece.range);
        }
    }

    /// Makes a range zero that no unit covers, as far as it is not zero. Returns how many bytes that are.
    Bytes clear(Range range) {
        if (!plan_.is_full || plan_.only_compare) {
            return 0;
        }
        const RangeSet dirty = plan_.target_is_zero ? intersected(plan_.touched, range) : RangeSet{range};
        for (const Range& each : dirty) {
            for (Bytes at = each.offset; at < each.end();) {
                const Bytes length = std::min(clear_step, each.end() - at);
                append_unit({at, length}, UnitKind::clear);
                at += length;
            }
        }
        return total_length(dirty);
    }

    void add(Range range, UnitKind kind) {
        list_.listed_ += range.length;
        for (Bytes at = range.offset; at < range.end();) {
            const Bytes end = std::min(range.end(), (at / unit_size + 1) * unit_size);
            append_unit({at, end - at}, kind);
            at = end;
        }
    }

    void append_unit(Range range, UnitKind kind) {
        const Bytes block = range.offset / unit_size;
        if (batch_ && (block != block_ || batch_->units.size() == most_units)) {
            push();
        }
        if (!batch_) {
            batch_ = list_.empty_batch();
            block_ = block;
        }
        Unit unit{.range = range, .kind = kind};
        unit.target_is_zero = plan_.target_is_zero && !unit.is_compared() && !meets(plan_.touched, range);
        batch_->add(unit);
    }

    void push() {
        if (batch_) {
            list_.put(std::move(batch_), stop_);
        }
    }

    WorkList& list_;
    const Plan& plan_;
    block::BlockSource& source_;
    std::stop_token stop_;
    Range window_;
    std::vector<Extent> extents_;
    std::size_t next_extent_ = 0;
    std::vector<Extent> pieces_;
    std::unique_ptr<Batch> batch_;
    Bytes block_ = 0;
};

WorkList::WorkList(const Plan& plan) : plan_(plan) {
    append_segments(plan.areas, Segment::Kind::copy);
    append_segments(plan.compared, Segment::Kind::compare);
    std::vector<Range> covered;
    for (const Segment& segment : segments_) {
        covered.push_back(segment.range);
    }
    Bytes resumed = 0;
    for (const RunDigest& run : plan.resumed) {
        covered.push_back(run.range);
        resumed += run.range.length;
    }
    if (plan.is_full) {
        const RangeSet gaps = complement(sorted_union(std::move(covered)), plan.capacity);
        append_segments(plan.target_is_zero ? intersected(gaps, plan.touched) : gaps, Segment::Kind::gap);
    }
    std::sort(segments_.begin(), segments_.end(),
              [](const Segment& a, const Segment& b) { return a.range.offset < b.range.offset; });
    planned_ = total_length(plan.areas) + total_length(plan.compared) + resumed;
}

void WorkList::append_segments(const RangeSet& ranges, Segment::Kind kind) {
    for (const Range& range : ranges) {
        segments_.push_back({range, kind});
    }
}

void WorkList::measure(block::BlockSource& source, const std::stop_token& stop) noexcept {
    std::exception_ptr failure;
    try {
        Filler(*this, source, stop).run();
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    is_complete_ = !failure;
    failure_ = failure;
    changed_.notify_all();
}

std::unique_ptr<Batch> WorkList::empty_batch() {
    const std::lock_guard lock(mutex_);
    return reused_batch();
}

std::unique_ptr<Batch> WorkList::reused_batch() {
    if (free_.empty()) {
        return std::make_unique<Batch>();
    }
    std::unique_ptr<Batch> batch = std::move(free_.back());
    free_.pop_back();
    batch->clear();
    return batch;
}

void WorkList::put(std::unique_ptr<Batch> batch, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [&] { return ready_.size() < most_ready; })) {
        throw Error(ErrorCode::cancelled, "the copy was stopped");
    }
    ready_.push_back(std::move(batch));
    changed_.notify_all();
}

std::unique_ptr<Batch> WorkList::take(Bytes most) {
    const std::lock_guard lock(mutex_);
    if (failure_) {
        std::rethrow_exception(failure_);
    }
    if (ready_.empty()) {
        return nullptr;
    }
    const Bytes border = (ready_.front()->units.front().range.offset / most + 1) * most;
    if (ready_.front()->units.back().range.end() > border) {
        std::unique_ptr<Batch> beginning = reused_batch();
        move_beginning(*ready_.front(), border, *beginning);
        if (!ready_.front()->units.empty()) {
            return beginning;
        }
        std::swap(ready_.front(), beginning);
    }
    std::unique_ptr<Batch> batch = std::move(ready_.front());
    ready_.pop_front();
    changed_.notify_all();
    return batch;
}

void WorkList::wait(std::chrono::steady_clock::time_point until, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, stop, until, [&] { return !ready_.empty() || is_complete_ || failure_; });
}

bool WorkList::is_exhausted() const {
    const std::lock_guard lock(mutex_);
    return is_complete_ && ready_.empty();
}

void WorkList::give_back(std::unique_ptr<Batch> batch) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < most_ready) {
        free_.push_back(std::move(batch));
    }
}

}  // namespace mk::engine
