#include "base/block_digest.hpp"

#include <algorithm>

#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

#include "base/error.hpp"

namespace mk {
namespace {

/// Lengths of zero runs that are remembered are multiples of this, up to a whole leaf.
constexpr Bytes zero_step = 4 * KiB;

// Not const: like this it costs no space in the program file.
std::array<std::byte, leaf_size> zero_leaf{};

/// Canonical form: big-endian, the same on every machine.
LeafDigest canonical(XXH128_hash_t hash) {
    XXH128_canonical_t form;
    XXH128_canonicalFromHash(&form, hash);
    LeafDigest digest;
    std::ranges::transform(form.digest, digest.bytes.begin(), [](unsigned char byte) { return std::byte{byte}; });
    return digest;
}

/// The dispatched functions take what this processor has (AVX2, AVX-512) and are four times as fast as the plain ones,
/// but leave the upper halves of the wide registers dirty, which slows down every later SSE instruction of the thread.
void clean_wide_registers() {
#if defined(__x86_64__)
    static const bool has_avx = __builtin_cpu_supports("avx") != 0;
    if (has_avx) {
        asm volatile("vzeroupper");
    }
#endif
}

/// On x86 the dispatching header puts its own functions behind the library's names.
XXH128_hash_t hash_of(std::span<const std::byte> data) {
    const XXH128_hash_t hash = XXH3_128bits(data.data(), data.size());
    clean_wide_registers();
    return hash;
}

LeafDigest digest_of_zeros(Bytes length) {
    return leaf_digest(std::span(zero_leaf).first(length));
}

using ZeroDigests = std::array<LeafDigest, leaf_size / zero_step + 1>;

ZeroDigests make_zero_digests() {
    ZeroDigests digests;
    for (std::size_t i = 0; i < digests.size(); ++i) {
        digests[i] = digest_of_zeros(i * zero_step);
    }
    return digests;
}

void expect(bool is_true, const char* message) {
    if (!is_true) {
        throw Error(ErrorCode::internal, message);
    }
}

unsigned value_of(char digit) {
    if (digit >= '0' && digit <= '9') {
        return static_cast<unsigned>(digit - '0');
    }
    if (digit >= 'a' && digit <= 'f') {
        return static_cast<unsigned>(digit - 'a') + 10;
    }
    throw Error(ErrorCode::invalid, "a digest is written with the digits 0-9 and a-f");
}

}  // namespace

LeafDigest leaf_digest(std::span<const std::byte> data) {
    return canonical(hash_of(data));
}

LeafDigest zero_leaf_digest(Bytes length) {
    static const ZeroDigests remembered = make_zero_digests();
    expect(length <= leaf_size, "a leaf is not that long");
    return length % zero_step == 0 ? remembered[length / zero_step] : digest_of_zeros(length);
}

std::string run_digest(std::span<const LeafDigest> leaves) {
    // Leaf digests are 16 bytes without padding, so the list is what is to be hashed.
    static_assert(sizeof(LeafDigest) == 16);
    return to_hex(leaf_digest(std::as_bytes(leaves)));
}

std::string to_hex(const LeafDigest& digest) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * digest.bytes.size());
    for (const std::byte byte : digest.bytes) {
        text += digits[std::to_integer<unsigned>(byte) >> 4];
        text += digits[std::to_integer<unsigned>(byte) & 15];
    }
    return text;
}

LeafDigest leaf_digest_from_hex(std::string_view hex) {
    LeafDigest digest;
    if (hex.size() != 2 * digest.bytes.size()) {
        throw Error(ErrorCode::invalid, "a digest has 32 hex digits, not " + std::to_string(hex.size()));
    }
    for (std::size_t i = 0; i < digest.bytes.size(); ++i) {
        digest.bytes[i] = static_cast<std::byte>(value_of(hex[2 * i]) << 4 | value_of(hex[2 * i + 1]));
    }
    return digest;
}

std::size_t leaf_count(Range run) {
    return run.length == 0 ? 0 : (run.end() - 1) / leaf_size - run.offset / leaf_size + 1;
}

Range leaf_of(Range run, std::size_t index) {
    expect(index < leaf_count(run), "the run has no such leaf");
    const Bytes start = (run.offset / leaf_size + index) * leaf_size;
    const Bytes offset = std::max(run.offset, start);
    return {offset, std::min(run.end(), start + leaf_size) - offset};
}

struct LeafDigester::State {
    explicit State(Range whole) : run(whole), hash(XXH3_createState(), &XXH3_freeState) {
        expect(hash != nullptr, "no memory for a digest");
        leaves.reserve(leaf_count(run));
        begin_leaf();
    }

    void begin_leaf() {
        if (leaves.size() < leaf_count(run)) {
            left = leaf_of(run, leaves.size()).length;
            is_fresh = true;
            XXH3_128bits_reset(hash.get());
        } else {
            left = 0;
        }
    }

    void add(std::span<const std::byte> piece) {
        if (is_fresh && piece.size() == left) {  // the usual case: a leaf in one piece
            leaves.push_back(leaf_digest(piece));
            begin_leaf();
            return;
        }
        XXH3_128bits_update(hash.get(), piece.data(), piece.size());
        clean_wide_registers();
        is_fresh = false;
        left -= piece.size();
        if (left == 0) {
            leaves.push_back(canonical(XXH3_128bits_digest(hash.get())));
            begin_leaf();
        }
    }

    Range run;
    std::vector<LeafDigest> leaves;
    Bytes left = 0;        ///< of the leaf that is being collected
    bool is_fresh = true;  ///< nothing of that leaf was added
    std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> hash;
};

LeafDigester::LeafDigester(Range run) : state_(std::make_unique<State>(run)) {}
LeafDigester::~LeafDigester() = default;
LeafDigester::LeafDigester(LeafDigester&&) noexcept = default;
LeafDigester& LeafDigester::operator=(LeafDigester&&) noexcept = default;

void LeafDigester::add(std::span<const std::byte> data) {
    while (!data.empty()) {
        expect(state_->left > 0, "more data than the run is long");
        const auto length = std::min<std::size_t>(data.size(), state_->left);
        state_->add(data.first(length));
        data = data.subspan(length);
    }
}

void LeafDigester::add_zeros(Bytes length) {
    while (length > 0) {
        expect(state_->left > 0, "more data than the run is long");
        const Bytes piece = std::min(length, state_->left);
        if (state_->is_fresh && piece == state_->left) {
            state_->leaves.push_back(zero_leaf_digest(piece));
            state_->begin_leaf();
        } else {
            state_->add(std::span(zero_leaf).first(piece));
        }
        length -= piece;
    }
}

std::vector<LeafDigest> LeafDigester::finish() {
    expect(state_->left == 0, "the run has not been added completely");
    return std::move(state_->leaves);
}

}  // namespace mk
