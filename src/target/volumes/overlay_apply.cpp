#include "target/volumes/overlay_apply.hpp"

#include <fcntl.h>

#include "base/digest.hpp"
#include "target/volumes/block_device.hpp"

namespace mk::volumes {
namespace {

Error torn(const std::string& cause) {
    return Error(ErrorCode::corrupt, cause,
                 {.consequence = "The volume may hold a part of the changes and must not be used.",
                  .remedy = "Replicate this machine in full again."});
}

}  // namespace

bool is_sealed(const OverlayFiles& files) {
    return files.exist() && read_journal(files.journal).seal.has_value();
}

Applied apply_overlay(const OverlayFiles& files, const JournalHeader& expected, ApplyTarget& target,
                      const std::stop_token& stop, const std::function<void(double percent)>& on_progress) {
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
    const auto data = os::open_file(files.data, O_RDONLY);
    AlignedBuffer buffer(unit_size);
    Applied applied;
    std::size_t done = 0;
    for (const auto& piece : *content.seal) {
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "stopped while applying staged changes",
                        {.consequence = "The volume holds a part of the changes until the commit is repeated.",
                         .remedy = "It is continued when the Volume Daemon starts.",
                         .retry_safe = true});
        }
        const auto range = piece.written.range;
        if (piece.written.kind == Written::zero) {
            target.zero(range);
            applied.zero_bytes += range.length;
        } else {
            const auto bytes = buffer.first(range.length);
            os::read_at(data.get(), range.offset, bytes);
            if (sha256_hex(std::span<const std::byte>(bytes)) != piece.sha256) {
                throw torn("the staged data in " + files.data + " has changed since it was sealed");
            }
            target.write(range.offset, bytes);
            applied.data_bytes += range.length;
        }
        applied.touched.push_back(range);
        if (on_progress) {
            on_progress(100.0 * static_cast<double>(++done) / static_cast<double>(content.seal->size()));
        }
    }
    target.flush();
    return applied;
}

}  // namespace mk::volumes
