#pragma once
// The file that keeps the leaf digests of one volume. Internal to digest_map.
//
//   0   8  "MKLEAVES"
//   8   4  version, 1            (numbers are little-endian)
//   12  4  size of a leaf
//   16  8  size of the volume
//   24  32 the volume's digest: SHA-256 over all leaf digests in order, which is the checksum of what follows, too
//   56  8  zero
//   64     16 bytes per leaf; 16 zero bytes stand for a leaf of zeros, so that a thin volume has a small file
//
// A file is never changed: a new one takes its place. So it may be linked under a second name. One thread.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/block_digest.hpp"
#include "base/digest.hpp"
#include "os/file.hpp"

namespace mk::volumes {

/// SHA-256 over the digests of a volume's leaves, given in the form of the file, in order.
class VolumeDigester {
  public:
    explicit VolumeDigester(Bytes volume_size) : volume_size_(volume_size) {}
    void add(std::span<const LeafDigest> leaves);
    std::string finish() { return sha256_.finish(); }

  private:
    const Bytes volume_size_;
    std::size_t next_leaf_ = 0;
    std::vector<LeafDigest> expanded_;
    std::vector<LeafDigest> zeros_;
    Sha256 sha256_;
};

class LeafFileReader {
  public:
    /// Nothing when it is absent, or no leaf file. Whether the leaves are damaged shows only when all were read.
    static std::optional<LeafFileReader> open(const std::string& path);
    Bytes volume_size() const { return volume_size_; }
    const std::string& digest() const { return digest_; }
    /// Throws Error{corrupt} when the file is too short.
    void read(std::size_t first_leaf, std::span<LeafDigest> leaves) const;

  private:
    LeafFileReader(os::Descriptor file, Bytes volume_size, std::string digest)
        : file_(std::move(file)), volume_size_(volume_size), digest_(std::move(digest)) {}

    os::Descriptor file_;
    Bytes volume_size_;
    std::string digest_;
};

class LeafFileWriter {
  public:
    /// Nothing is seen at `path` before finish().
    LeafFileWriter(const std::string& path, Bytes volume_size);
    ~LeafFileWriter();
    LeafFileWriter(const LeafFileWriter&) = delete;
    LeafFileWriter& operator=(const LeafFileWriter&) = delete;
    void write(std::size_t first_leaf, std::span<const LeafDigest> leaves);
    /// Durable under its name when this returns.
    void finish(const std::string& digest);

  private:
    const std::string path_;
    const std::string temporary_;
    const Bytes volume_size_;
    os::Descriptor file_;
};

/// Makes changes of names in it durable.
void sync_folder(const std::string& folder);

}  // namespace mk::volumes
