#include "engine/zero_runs.hpp"

#include <algorithm>
#include <cstring>

#include "engine/planner.hpp"

namespace mk::engine {

bool is_all_zero(std::span<const std::byte> data) {
    // The first byte is zero and each byte equals the one before it. The C library compares with the widest registers
    // that the processor has, without a build for each, and gives up at the first difference.
    return data.empty() || (data[0] == std::byte{0} && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

Run next_run(std::span<const std::byte> data, Bytes offset, Bytes start) {
    Run run{.start = start};
    for (Bytes at = start; at < data.size();) {
        const Bytes to_border = request_cost - (offset + at) % request_cost;
        const Bytes cell = std::min<Bytes>(to_border, data.size() - at);
        const bool is_zero = is_all_zero(data.subspan(at, cell));
        if (at == start) {
            run.is_zero = is_zero;
        } else if (is_zero != run.is_zero) {
            break;
        }
        at += cell;
        run.length = at - start;
    }
    return run;
}

}  // namespace mk::engine
