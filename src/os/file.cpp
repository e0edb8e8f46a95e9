#include "os/file.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace mk::os {
namespace {

ErrorCode code_of(int error_number) {
    switch (error_number) {
        case ENOENT:
            return ErrorCode::not_found;
        case EACCES:
        case EPERM:
            return ErrorCode::forbidden;
        case ENOSPC:
        case EDQUOT:
            return ErrorCode::exhausted;
        default:
            return ErrorCode::external;
    }
}

/// The largest disk offset the kernel knows; beyond it a cast to off_t would turn negative.
off_t offset_of(Bytes offset) {
    if (offset > static_cast<Bytes>(std::numeric_limits<off_t>::max())) {
        throw Error(ErrorCode::invalid, "the offset " + std::to_string(offset) + " is beyond any file");
    }
    return static_cast<off_t>(offset);
}

void write_all(int fd, std::string_view content, const std::string& path) {
    while (!content.empty()) {
        const ssize_t written = ::write(fd, content.data(), content.size());
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            throw system_error("write " + path, errno);
        }
        content.remove_prefix(static_cast<std::size_t>(written));
    }
}

void sync(int fd, const std::string& path) {
    if (::fsync(fd) != 0) {
        throw system_error("flush " + path, errno);
    }
}

std::string folder_of(const std::string& path) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    return folder.empty() ? "." : folder;
}

void sync_folder_of(const std::string& path) {
    const std::string folder = folder_of(path);
    const Descriptor fd = open_file(folder, O_RDONLY | O_DIRECTORY);
    sync(fd.get(), folder);
}

/// A complete, flushed file beside `path` that becomes visible in one step; removed when it does not.
class TemporaryFile {
  public:
    TemporaryFile(const std::string& path, std::string_view content, mode_t mode) : name_(path + ".XXXXXX") {
        const Descriptor fd(::mkostemp(name_.data(), O_CLOEXEC));
        if (!fd) {
            throw system_error("create a file beside " + path, errno);
        }
        exists_ = true;
        try {
            if (::fchmod(fd.get(), mode) != 0) {
                throw system_error("set the mode of " + name_, errno);
            }
            write_all(fd.get(), content, name_);
            sync(fd.get(), name_);
        } catch (const Error&) {
            discard();
            throw;
        }
    }
    ~TemporaryFile() { discard(); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    void rename_to(const std::string& path) {
        if (::rename(name_.c_str(), path.c_str()) != 0) {
            throw system_error("replace " + path, errno);
        }
        exists_ = false;
    }
    /// False when `path` exists already: of several processes exactly one makes the file.
    bool link_to(const std::string& path) {
        if (::link(name_.c_str(), path.c_str()) == 0) {
            return true;
        }
        if (errno == EEXIST) {
            return false;
        }
        throw system_error("create " + path, errno);
    }

  private:
    void discard() {
        if (std::exchange(exists_, false)) {
            ::unlink(name_.c_str());
        }
    }

    std::string name_;
    bool exists_ = false;
};

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = other.release();
    }
    return *this;
}

int Descriptor::release() {
    return std::exchange(fd_, -1);
}

void Descriptor::close() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));  // Linux frees the number even when close() reports EINTR
    }
}

Error system_error(std::string_view what, int error_number) {
    const std::string cause = "cannot " + std::string(what) + ": " + std::system_category().message(error_number);
    return Error(code_of(error_number), cause).with_native(std::to_string(error_number));
}

Descriptor open_file(const std::string& path, int flags, mode_t mode) {
    while (true) {
        Descriptor fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
        if (fd) {
            return fd;
        }
        if (errno != EINTR) {
            throw system_error("open " + path, errno);
        }
    }
}

std::string read_file(const std::string& path, Bytes limit) {
    const Descriptor fd = open_file(path, O_RDONLY);
    std::string content;
    std::string piece(64 * KiB, '\0');
    while (true) {
        const ssize_t got = ::read(fd.get(), piece.data(), piece.size());
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            throw system_error("read " + path, errno);
        }
        if (got == 0) {
            return content;
        }
        content.append(piece, 0, static_cast<std::size_t>(got));
        if (content.size() > limit) {
            throw Error(ErrorCode::exhausted, path + " is larger than " + format_bytes(limit));
        }
    }
}

void write_file_atomically(const std::string& path, std::string_view content, mode_t mode) {
    TemporaryFile file(path, content, mode);
    file.rename_to(path);
    sync_folder_of(path);
}

Secret read_secret_file(const std::string& path) {
    std::string text = read_file(path, MiB);
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
        text.pop_back();
    }
    if (text.empty()) {
        throw Error(ErrorCode::invalid, "the secret file " + path + " is empty");
    }
    return Secret(std::move(text));
}

Secret read_or_create_secret_file(const std::string& path, std::size_t bytes) {
    try {
        return read_secret_file(path);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) {
            throw;
        }
    }
    TemporaryFile file(path, random_hex(bytes) + "\n", 0600);
    if (file.link_to(path)) {
        sync_folder_of(path);
    }
    return read_secret_file(path);  // ours, or that of the process that was first
}

std::string read_or_create_key_file(const std::string& path) {
    constexpr std::size_t key_bytes = 32;
    const auto hex = read_or_create_secret_file(path, key_bytes).reveal();
    std::string key;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        unsigned value = 0;
        const auto* const end = hex.data() + i + 2;
        if (std::from_chars(hex.data() + i, end, value, 16).ptr != end) {
            break;
        }
        key.push_back(static_cast<char>(value));
    }
    if (hex.size() != 2 * key_bytes || key.size() != key_bytes) {
        throw Error(ErrorCode::invalid, path + " is not a key file: it must hold 64 hex digits",
                    {.consequence = "Stored passwords cannot be read without the right key.",
                     .remedy = "Restore the file from a backup."});
    }
    return key;
}

void make_folders(const std::string& path, mode_t mode) {
    std::filesystem::path made;
    for (const auto& part : std::filesystem::path(path)) {
        made /= part;
        if (::mkdir(made.c_str(), mode) != 0 && errno != EEXIST) {
            const int problem = errno;
            if (!std::filesystem::is_directory(made)) {  // a read-only parent answers EROFS before EEXIST
                throw system_error("create the folder " + made.string(), problem);
            }
        }
    }
    if (!std::filesystem::is_directory(path)) {
        throw system_error("create the folder " + path, ENOTDIR);
    }
}

void remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        throw system_error("remove " + path, errno);
    }
}

Bytes free_bytes(const std::string& path) {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) {
        throw system_error("ask for the free space of " + path, errno);
    }
    return static_cast<Bytes>(info.f_bavail) * info.f_frsize;
}

void read_at(int fd, Bytes offset, std::span<std::byte> buffer) {
    while (!buffer.empty()) {
        const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), offset_of(offset));
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            throw system_error("read at offset " + std::to_string(offset), errno);
        }
        if (got == 0) {
            throw Error(ErrorCode::corrupt, "the data ends at offset " + std::to_string(offset) + ", " +
                                                std::to_string(buffer.size()) + " bytes too early");
        }
        buffer = buffer.subspan(static_cast<std::size_t>(got));
        offset += static_cast<Bytes>(got);
    }
}

void write_at(int fd, Bytes offset, std::span<const std::byte> data) {
    while (!data.empty()) {
        const ssize_t written = ::pwrite(fd, data.data(), data.size(), offset_of(offset));
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            throw system_error("write at offset " + std::to_string(offset), errno);
        }
        data = data.subspan(static_cast<std::size_t>(written));
        offset += static_cast<Bytes>(written);
    }
}

}  // namespace mk::os
