// mk_bench_loop SOURCE_URI TARGET_URI: the copy loop that replication tools usually begin with - one connection to each
// side, 32 MiB at a time, read, then written, then the next. A peer that the engine is compared with.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <libnbd.h>

namespace {

constexpr std::int64_t piece = 32 * 1024 * 1024;

nbd_handle* connect(const char* uri) {
    nbd_handle* const handle = nbd_create();
    if (handle == nullptr || nbd_connect_uri(handle, uri) != 0) {
        std::fprintf(stderr, "%s: %s\n", uri, nbd_get_error());
        return nullptr;
    }
    return handle;
}

bool copy(nbd_handle* source, nbd_handle* target) {
    std::vector<char> buffer(static_cast<std::size_t>(piece));
    const std::int64_t size = nbd_get_size(source);
    for (std::int64_t offset = 0; offset < size; offset += piece) {
        const auto length = static_cast<std::size_t>(std::min(piece, size - offset));
        const auto at = static_cast<std::uint64_t>(offset);
        if (nbd_pread(source, buffer.data(), length, at, 0) != 0 ||
            nbd_pwrite(target, buffer.data(), length, at, 0) != 0) {
            return false;
        }
    }
    return size >= 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: mk_bench_loop SOURCE_URI TARGET_URI\n", stderr);
        return 2;
    }
    nbd_handle* const source = connect(argv[1]);
    nbd_handle* const target = connect(argv[2]);
    const bool is_copied = source != nullptr && target != nullptr && copy(source, target);
    if (!is_copied) {
        std::fprintf(stderr, "the copy failed: %s\n", nbd_get_error());
    }
    nbd_close(source);
    nbd_close(target);
    return is_copied ? 0 : 1;
}
