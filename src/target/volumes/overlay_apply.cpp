#include "target/volumes/overlay_apply.hpp"

#include <algorithm>
#include <mutex>

#include "target/volumes/worker_team.hpp"

namespace mk::volumes {
namespace {

/// Of one transfer: neighbouring pieces go together.
constexpr Bytes batch_limit = 2 * MiB;
constexpr Bytes page = 4096;

Error torn(const std::string& cause) {
    return Error(ErrorCode::corrupt, cause,
                 {.consequence = "The volume may hold a part of the changes and must not be used.",
                  .remedy = "Replicate this machine in full again."});
}

/// Pieces that are done together: one range of zeros, or data without a gap.
struct Batch {
    std::span<const WrittenRange> pieces;

    Range range() const {
        return {pieces.front().range.offset, pieces.back().range.end() - pieces.front().range.offset};
    }
};

std::vector<Batch> batches_of(const std::vector<WrittenRange>& pieces) {
    std::vector<Batch> batches;
    for (std::size_t first = 0; first < pieces.size();) {
        auto end = first + 1;
        const auto start = pieces[first].range.offset;
        while (pieces[first].kind == Written::data && end < pieces.size() && pieces[end].kind == Written::data &&
               pieces[end].range.offset == pieces[end - 1].range.end() &&
               pieces[end].range.end() - start <= batch_limit) {
            ++end;
        }
        batches.push_back({std::span(pieces).subspan(first, end - first)});
        first = end;
    }
    return batches;
}

class Application {
  public:
    Application(const OverlayFiles& files, ApplyTarget& target, const ApplyOptions& options)
        : files_(files), data_(files.data), target_(target), options_(options) {}

    void run(const std::vector<WrittenRange>& pieces) {
        const auto batches = batches_of(pieces);
        do_parts(batches.size(), options_.workers, [&]() -> PartWork {
            const auto buffer = std::make_shared<AlignedBuffer>(batch_limit + 2 * page);
            return [&, buffer](std::size_t part) {
                apply(batches[part], *buffer);
                tell_progress(batches.size());
            };
        });
    }

  private:
    void apply(const Batch& batch, AlignedBuffer& buffer) {
        if (options_.stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "stopped while applying staged changes",
                        {.consequence = "The volume holds a part of the changes until the commit is repeated.",
                         .remedy = "It is continued when the Volume Daemon starts.",
                         .retry_safe = true});
        }
        const auto range = batch.range();
        if (batch.pieces.front().kind == Written::zero) {
            target_.zero(range);
            return;
        }
        // Whole pages around it can be read directly.
        const Bytes first = range.offset / page * page;
        const Bytes end = std::min((range.end() + page - 1) / page * page, data_.size());
        data_.read(first, buffer.first(end - first));
        const auto bytes = buffer.first(end - first).subspan(range.offset - first, range.length);
        for (const auto& piece : batch.pieces) {
            if (leaf_digest(bytes.subspan(piece.range.offset - range.offset, piece.range.length)) != piece.digest) {
                throw torn("the staged data in " + files_.data + " has changed since it arrived");
            }
        }
        target_.write(range.offset, bytes);
    }

    void tell_progress(std::size_t count) {
        const std::lock_guard lock(progress_mutex_);
        ++done_;
        if (options_.on_progress) {
            options_.on_progress(100.0 * static_cast<double>(done_) / static_cast<double>(count));
        }
    }

    const OverlayFiles& files_;
    const BlockDevice data_;
    ApplyTarget& target_;
    const ApplyOptions& options_;
    std::mutex progress_mutex_;
    std::size_t done_ = 0;
};

}  // namespace

bool is_sealed(const OverlayFiles& files) {
    return files.exist() && read_journal(files.journal).seal.has_value();
}

Applied apply_overlay(const OverlayFiles& files, const JournalHeader& expected, ApplyTarget& target,
                      const ApplyOptions& options) {
    if (!files.exist()) {
        throw Error(ErrorCode::conflict, "the staged changes in " + files.journal + " are not there",
                    {.consequence = "The volume may hold a part of them until the commit is repeated.",
                     .remedy = "Mount the staging folder and commit again. If they are lost for good, abort the write "
                               "session and replicate this machine in full again.",
                     .retry_safe = true});
    }
    const auto content = read_journal(files.journal);
    if (!content.seal || content.header != expected) {
        throw torn("the staged changes in " + files.journal + " are incomplete or belong to another session");
    }
    Application(files, target, options).run(*content.seal);
    target.flush();
    Applied applied;
    for (const auto& piece : *content.seal) {
        (piece.kind == Written::zero ? applied.zero_bytes : applied.data_bytes) += piece.range.length;
        applied.touched.push_back(piece.range);
        const auto first = (piece.range.offset + leaf_size - 1) / leaf_size;
        const auto end = piece.range.end() / leaf_size;
        if (first < end) {  // data comes in pieces inside of one leaf
            const auto digest = piece.kind == Written::zero ? zero_leaf_digest(leaf_size) : piece.digest.value();
            applied.whole_leaves.push_back({first, end, digest});
        }
    }
    return applied;
}

}  // namespace mk::volumes
