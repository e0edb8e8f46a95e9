#pragma once
// Files and descriptors. Every descriptor is O_CLOEXEC. Failures throw Error with path and errno text
// (ENOENT -> not_found, EACCES/EPERM -> forbidden, ENOSPC/EDQUOT -> exhausted, else external).

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/bytes.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"

namespace mk::os {

/// Owns a descriptor.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor() { close(); }

    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    int release();
    void close();

  private:
    int fd_ = -1;
};

/// The Error for the current errno: "cannot <what>: <errno text>".
Error system_error(std::string_view what, int error_number);

Descriptor open_file(const std::string& path, int flags, mode_t mode = 0600);
std::string read_file(const std::string& path, Bytes limit = 16 * MiB);
/// Writes a temporary file beside it, fsyncs, renames, fsyncs the folder: after a crash the file is the old or the new
/// one.
void write_file_atomically(const std::string& path, std::string_view content, mode_t mode = 0600);
/// The file's text without trailing newline. Throws Error{invalid} when it is empty.
Secret read_secret_file(const std::string& path);
/// As above; when the file is absent, makes it with `bytes` random bytes in hex, mode 0600.
Secret read_or_create_secret_file(const std::string& path, std::size_t bytes = 32);
/// The 256-bit key in a file of 64 hex digits, as its 32 bytes; a new random one is made when the file is absent (mode
/// 0600). Throws Error{invalid} when the file holds anything else.
std::string read_or_create_key_file(const std::string& path);
void make_folders(const std::string& path, mode_t mode = 0700);
/// No error when it is absent.
void remove_file(const std::string& path);
/// Bytes that an unprivileged writer may still use on the file system of `path`.
Bytes free_bytes(const std::string& path);
/// Whole reads and writes at an offset; short transfers and EINTR are handled. EOF before the end is Error{corrupt}.
void read_at(int fd, Bytes offset, std::span<std::byte> buffer);
void write_at(int fd, Bytes offset, std::span<const std::byte> data);

}  // namespace mk::os
