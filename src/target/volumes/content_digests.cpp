#include "target/volumes/content_digests.hpp"

#include <algorithm>
#include <limits>

namespace mk::volumes {
namespace {

void add_data(LeafDigester& digester, ReadableContent& content, Range run, AlignedBuffer& buffer) {
    for (Bytes at = run.offset; at < run.end();) {
        // Up to a multiple of the read size: then all but the first read are aligned.
        const auto length = std::min<Bytes>(digest_read_size - at % digest_read_size, run.end() - at);
        const auto bytes = buffer.first(length);
        content.read(at, bytes);
        digester.add(bytes);
        at += length;
    }
}

}  // namespace

std::vector<LeafDigest> read_leaf_digests(ReadableContent& content, Range run, AlignedBuffer& buffer) {
    LeafDigester digester(run);
    Bytes at = run.offset;
    for (const auto& extent : content.extents(run, std::numeric_limits<std::size_t>::max())) {
        if (extent.is_zero) {
            digester.add_zeros(extent.range.length);
        } else {
            add_data(digester, content, extent.range, buffer);
        }
        at = extent.range.end();
    }
    add_data(digester, content, {at, run.end() - at}, buffer);
    return digester.finish();
}

}  // namespace mk::volumes
