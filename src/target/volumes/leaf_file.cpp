#include "target/volumes/leaf_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.hpp"
#include "target/volumes/block_device.hpp"

namespace mk::volumes {
namespace {

constexpr std::string_view magic = "MKLEAVES";
constexpr std::uint32_t version = 1;
constexpr std::size_t header_length = 64;
constexpr std::size_t entry_length = sizeof(LeafDigest);
constexpr LeafDigest zero_entry{};

using Header = std::array<std::byte, header_length>;

template <class Number>
void put(Header& header, std::size_t at, Number value) {
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        header[at + i] = static_cast<std::byte>(value >> (8 * i));
    }
}

template <class Number>
Number get(const Header& header, std::size_t at) {
    Number value = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        value |= static_cast<Number>(static_cast<Number>(header[at + i]) << (8 * i));
    }
    return value;
}

Bytes offset_of(std::size_t leaf) {
    return header_length + leaf * entry_length;
}

/// The SHA-256 is 64 hex digits outside, 32 bytes in the file: two leaf digests' worth of digits.
Header make_header(Bytes volume_size, const std::string& digest) {
    Header header{};
    std::memcpy(header.data(), magic.data(), magic.size());
    put(header, 8, version);
    put(header, 12, static_cast<std::uint32_t>(leaf_size));
    put(header, 16, volume_size);
    for (std::size_t half = 0; half < 2; ++half) {
        const auto bytes = leaf_digest_from_hex(std::string_view(digest).substr(half * 32, 32)).bytes;
        std::copy(bytes.begin(), bytes.end(), header.begin() + 24 + static_cast<std::ptrdiff_t>(half * 16));
    }
    return header;
}

std::string digest_in(const Header& header) {
    std::string hex;
    for (std::size_t half = 0; half < 2; ++half) {
        LeafDigest digest;
        std::copy_n(header.begin() + 24 + static_cast<std::ptrdiff_t>(half * 16), 16, digest.bytes.begin());
        hex += to_hex(digest);
    }
    return hex;
}

}  // namespace

void VolumeDigester::add(std::span<const LeafDigest> leaves) {
    const auto next = next_leaf_ + leaves.size();
    if (is_all_zero(std::as_bytes(leaves)) && next * leaf_size <= volume_size_) {  // most of a thin volume
        zeros_.resize(std::max(zeros_.size(), leaves.size()), zero_leaf_digest(leaf_size));
        sha256_.add(std::as_bytes(std::span(zeros_).first(leaves.size())));
        next_leaf_ = next;
        return;
    }
    expanded_.assign(leaves.begin(), leaves.end());
    for (auto& leaf : expanded_) {
        if (leaf == zero_entry) {
            leaf = zero_leaf_digest(leaf_of({0, volume_size_}, next_leaf_).length);
        }
        ++next_leaf_;
    }
    sha256_.add(std::as_bytes(std::span(expanded_)));
}

std::optional<LeafFileReader> LeafFileReader::open(const std::string& path) {
    if (::access(path.c_str(), F_OK) != 0) {
        return std::nullopt;
    }
    try {
        auto file = os::open_file(path, O_RDONLY);
        Header header{};
        os::read_at(file.get(), 0, header);
        const auto size = get<Bytes>(header, 16);
        struct stat status{};
        const bool is_whole =
            ::fstat(file.get(), &status) == 0 && static_cast<Bytes>(status.st_size) == offset_of(leaf_count({0, size}));
        if (std::memcmp(header.data(), magic.data(), magic.size()) == 0 && get<std::uint32_t>(header, 8) == version &&
            get<std::uint32_t>(header, 12) == leaf_size && is_whole) {
            return LeafFileReader(std::move(file), size, digest_in(header));
        }
        log::warn("the digests in {} are of another kind or cut off; the volume will be read", path);
    } catch (const Error& error) {
        log::warn("the digests in {} cannot be read, the volume will be: {}", path, error.cause());
    }
    return std::nullopt;
}

void LeafFileReader::read(std::size_t first_leaf, std::span<LeafDigest> leaves) const {
    os::read_at(file_.get(), offset_of(first_leaf), std::as_writable_bytes(leaves));
}

LeafFileWriter::LeafFileWriter(const std::string& path, Bytes volume_size)
    : path_(path),
      temporary_(path + ".new"),
      volume_size_(volume_size),
      file_(os::open_file(temporary_, O_WRONLY | O_CREAT | O_TRUNC)) {
    if (::ftruncate(file_.get(), static_cast<off_t>(offset_of(leaf_count({0, volume_size})))) != 0) {
        const auto error = os::system_error("make " + temporary_, errno);
        os::remove_file(temporary_);
        throw error;
    }
}

LeafFileWriter::~LeafFileWriter() {
    if (file_) {
        ::unlink(temporary_.c_str());
    }
}

void LeafFileWriter::write(std::size_t first_leaf, std::span<const LeafDigest> leaves) {
    if (!is_all_zero(std::as_bytes(leaves))) {
        os::write_at(file_.get(), offset_of(first_leaf), std::as_bytes(leaves));
    }
}

void LeafFileWriter::finish(const std::string& digest) {
    os::write_at(file_.get(), 0, make_header(volume_size_, digest));
    if (::fsync(file_.get()) != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
        throw os::system_error("keep " + path_, errno);
    }
    file_.close();
    sync_folder(std::filesystem::path(path_).parent_path().string());
}

void sync_folder(const std::string& folder) {
    if (::fsync(os::open_file(folder, O_RDONLY | O_DIRECTORY).get()) != 0) {
        throw os::system_error("make changes in " + folder + " durable", errno);
    }
}

}  // namespace mk::volumes
