#pragma once
// A few threads for one piece of work with many parts: reading back, hashing, applying.

#include <cstddef>
#include <functional>

namespace mk::volumes {

/// Enough to keep a disk busy; the processors are shared with the exports.
inline constexpr unsigned usual_workers = 4;

using PartWork = std::function<void(std::size_t part)>;

/// Does the parts 0 ... count - 1 on up to `workers` threads (the caller's is one of them) and returns when all are
/// done. `make_work` is called once per thread, for what a thread needs of its own. The first exception stops what has
/// not begun and is thrown.
void do_parts(std::size_t count, unsigned workers, const std::function<PartWork()>& make_work);

}  // namespace mk::volumes
