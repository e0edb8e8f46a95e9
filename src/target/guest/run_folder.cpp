#include "target/guest/run_folder.hpp"

#include <filesystem>
#include <set>
#include <sstream>
#include <string_view>
#include <system_error>

#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "os/file.hpp"

namespace mk::guest {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view name_start = "migratekit-guest-";
constexpr const char* mark_name = "MIGRATEKIT_GUEST_RUN";
/// The list of note_sockets().
constexpr const char* sockets_file = "/sockets";
/// Of the unix sockets that the tools put below the folder: /v2v.XXXXXX/in0, and what libguestfs does not keep in /tmp.
constexpr std::string_view socket_of_root = "/v2v.XXXXXX/in0";
constexpr std::string_view socket_of_others = "/libguestfsXXXXXX/guestfsd.sock";
constexpr std::size_t longest_unix_address = 107;  // unix(7)
constexpr std::string_view socket_folder_start = "/tmp/libguestfs";

/// "/tmp/libguestfsAbCdEf" of "...path=/tmp/libguestfsAbCdEf/guestfsd.sock,...", for each occurrence.
std::set<std::string> socket_folders_in(const std::string& text) {
    std::set<std::string> folders;
    for (auto at = text.find(socket_folder_start); at != std::string::npos;
         at = text.find(socket_folder_start, at + 1)) {
        const auto end = text.find('/', at + socket_folder_start.size());
        constexpr std::size_t random_letters = 6;  // mkdtemp's
        if (end == at + socket_folder_start.size() + random_letters) {
            folders.insert(text.substr(at, end - at));
        }
    }
    return folders;
}

/// A real folder of our own user: a link could lead anywhere.
bool is_own_folder(const std::string& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
}

void remove_socket_folder(const std::string& path) {
    if (is_own_folder(path)) {
        std::error_code ignored;  // it is a few bytes in /tmp
        fs::remove_all(path, ignored);
    }
}

std::string read_if_there(const std::string& path) {
    try {
        return os::read_file(path, MiB);
    } catch (const Error&) {
        return {};
    }
}

/// Everything of the run in `path` is ended and removed. Returns how many processes there were.
std::size_t remove_run(const std::string& path) {
    const auto ended = end_marked_processes({mark_name, path});
    std::istringstream folders(read_if_there(path + sockets_file));
    for (std::string folder; std::getline(folders, folder);) {
        if (socket_folders_in(folder + "/").contains(folder)) {
            remove_socket_folder(folder);
        }
    }
    std::error_code problem;
    fs::remove_all(path, problem);
    if (problem) {
        log::warn("left_behind path={} reason=\"{}\"", path, problem.message());
    }
    return ended;
}

/// migratekit-guest-PID-START-RANDOM
bool has_living_owner(const std::string& name) {
    const auto rest = std::string_view(name).substr(name_start.size());
    const auto first = rest.find('-');
    const auto second = first == std::string_view::npos ? first : rest.find('-', first + 1);
    if (second == std::string_view::npos) {
        return true;  // not one of ours: leave it
    }
    const auto pid = pid_from(rest.substr(0, first));
    return !pid || start_time_of(*pid) == std::string(rest.substr(first + 1, second - first - 1));
}

}  // namespace

RunFolder::RunFolder(const std::string& parent) {
    const auto uuid = new_uuid();
    path_ = parent + "/" + std::string(name_start) + std::to_string(::getpid()) + "-" +
            start_time_of(::getpid()).value_or("0") + "-" + uuid.substr(uuid.size() - 8);
    const auto longest = longest_unix_address - (::geteuid() == 0 ? socket_of_root.size() : socket_of_others.size());
    if (path_.size() > longest) {
        throw Error(ErrorCode::invalid, "the path of the guest tools' work folder is too long: " + parent,
                    {.consequence = "Nothing was changed.",
                     .remedy = "Set guest.work_folder to one that is " + std::to_string(path_.size() - longest) +
                               " characters shorter.",
                     .retry_safe = true});
    }
    os::make_folders(path_);
}

RunFolder::~RunFolder() {
    try {
        const auto ended = remove_run(path_);
        if (ended > 0) {
            log::info("guest tools left {} processes, which were ended", ended);
        }
    } catch (const std::exception& problem) {
        log::error("cleaning up after the guest tools: {}", problem.what());
    }
}

Mark RunFolder::mark() const {
    return {mark_name, path_};
}

void RunFolder::note_sockets() const noexcept {
    try {
        const std::lock_guard lock(mutex_);
        std::set<std::string> folders;
        for (const auto pid : marked_processes(mark())) {
            folders.merge(socket_folders_in(command_line_of(pid)));
        }
        std::string list = read_if_there(path_ + sockets_file);
        const auto before = list.size();
        for (const auto& folder : folders) {
            if (list.find(folder + "\n") == std::string::npos) {
                list += folder + "\n";
            }
        }
        if (list.size() != before) {
            os::write_file_atomically(path_ + sockets_file, list);
        }
    } catch (const std::exception& problem) {
        log::warn("the sockets of the guest tools are not known: {}", problem.what());
    }
}

std::size_t sweep(const std::string& parent) {
    std::vector<std::string> left;
    std::error_code problem;
    for (fs::directory_iterator entry(parent, problem), end; !problem && entry != end; entry.increment(problem)) {
        const auto name = entry->path().filename().string();
        if (name.starts_with(name_start) && is_own_folder(entry->path().string()) && !has_living_owner(name)) {
            left.push_back(entry->path().string());
        }
    }
    for (const auto& path : left) {
        const auto ended = remove_run(path);
        log::warn("swept path={} processes={}: left by a run that was cut off", path, ended);
    }
    return left.size();
}

}  // namespace mk::guest
