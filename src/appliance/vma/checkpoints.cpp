#include "appliance/vma/checkpoints.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/digest.hpp"
#include "base/log.hpp"
#include "os/file.hpp"

namespace mk::vma {

namespace {

constexpr std::chrono::hours longest_use{14 * 24};
constexpr std::size_t longest_name = 64;
constexpr const char* suffix = ".jsonl";

/// A uuid is its own name, in lower case; anything else that may come from a vCenter is replaced by its digest.
std::string file_name(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const bool is_safe = text.size() <= longest_name &&
                         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
    return is_safe ? text : sha256_hex(text);
}

}  // namespace

Checkpoints::Checkpoints(std::string folder, const Clock& clock) : folder_(std::move(folder)), clock_(clock) {
    os::make_folders(folder_);
}

std::string Checkpoints::path(const std::string& instance_uuid) const {
    return instance_uuid.empty() ? "" : folder_ + "/" + file_name(instance_uuid) + suffix;
}

void Checkpoints::forget(const std::string& instance_uuid) {
    if (!instance_uuid.empty()) {
        os::remove_file(path(instance_uuid));
    }
}

void Checkpoints::remove_old() {
    std::error_code problem;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, problem)) {
        const auto written = std::filesystem::last_write_time(entry.path(), problem);
        if (problem || !entry.is_regular_file(problem)) {
            continue;
        }
        if (std::chrono::file_clock::to_sys(written) < clock_.now() - longest_use) {
            std::filesystem::remove(entry.path(), problem);
            log::info("event=old_checkpoint_removed path={} problem={}", entry.path().string(), problem.value());
        }
    }
}

}  // namespace mk::vma
