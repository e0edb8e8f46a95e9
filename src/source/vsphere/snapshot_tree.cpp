#include "source/vsphere/snapshot_tree.hpp"

#include <algorithm>
#include <charconv>

#include "source/vsphere/vsphere.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view mark = "[migratekit job=";
constexpr std::string_view appliance_mark = " appliance=";

// A machine has at most 32 levels; deeper nesting is not a snapshot tree.
constexpr int deepest_level = 64;

void collect(const std::vector<Node>& level, int depth, std::vector<SnapshotEntry>& found) {
    if (depth > deepest_level) {
        return;
    }
    for (const auto& node : level) {
        found.push_back({node.reference("snapshot"), node.text("name"), node.text("description"),
                         parse_date_time(node.text("createTime")), node.flag("quiesced")});
        collect(node.children("childSnapshotList"), depth + 1, found);
    }
}

/// Takes `digits` digits and the separator after them.
int take(std::string_view& text, std::size_t digits, char separator) {
    int value = -1;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + std::min(digits, text.size()), value);
    const auto used = static_cast<std::size_t>(end - text.data());
    if (problem != std::errc{} || used != digits ||
        (separator != 0 && (text.size() <= used || text[used] != separator))) {
        text = {};
        return -1;
    }
    text.remove_prefix(used + (separator != 0 ? 1 : 0));
    return value;
}

std::chrono::milliseconds take_fraction(std::string_view& text) {
    int ms = 0;
    int scale = 100;
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), scale /= 10) {
            ms += (text.front() - '0') * scale;
        }
    }
    return std::chrono::milliseconds{ms};
}

std::chrono::minutes offset_of(std::string_view text) {
    if (text.size() != 6 || (text.front() != '+' && text.front() != '-')) {
        return std::chrono::minutes{0};
    }
    const int sign = text.front() == '-' ? -1 : 1;
    text.remove_prefix(1);
    const int hours = take(text, 2, ':');
    const int minutes = take(text, 2, 0);
    return std::chrono::minutes{sign * (hours * 60 + minutes)};
}

}  // namespace

std::vector<SnapshotEntry> read_snapshot_tree(const Node& snapshot) {
    std::vector<SnapshotEntry> found;
    collect(snapshot.children("rootSnapshotList"), 0, found);
    return found;
}

std::string snapshot_description(std::string_view job_id, std::string_view appliance_id) {
    return "Temporary snapshot for replication; it is removed automatically. " + std::string(mark) +
           std::string(job_id) + std::string(appliance_mark) + std::string(appliance_id) + "]";
}

std::optional<SnapshotMark> mark_of(const SnapshotEntry& snapshot) {
    const auto& text = snapshot.description;
    const auto start = text.rfind(mark);
    const auto appliance = start == std::string::npos ? start : text.find(appliance_mark, start);
    const auto end = appliance == std::string::npos ? appliance : text.find(']', appliance);
    if (end == std::string::npos) {
        return std::nullopt;
    }
    const auto job = start + mark.size();
    const auto from = appliance + appliance_mark.size();
    return SnapshotMark{.job_id = text.substr(job, appliance - job), .appliance_id = text.substr(from, end - from)};
}

bool is_ours(const SnapshotEntry& snapshot, std::string_view appliance_id) {
    const auto found = snapshot.name.starts_with(snapshot_name_prefix) ? mark_of(snapshot) : std::nullopt;
    return found && (appliance_id.empty() || found->appliance_id == appliance_id);
}

Instant parse_date_time(std::string_view text) {
    const int year = take(text, 4, '-');
    const int month = take(text, 2, '-');
    const int day = take(text, 2, 'T');
    const int hour = take(text, 2, ':');
    const int minute = take(text, 2, ':');
    const int second = take(text, 2, 0);
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    if (second < 0 || !date.ok()) {
        return {};
    }
    const auto fraction = take_fraction(text);
    return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
           std::chrono::seconds{second} + fraction - offset_of(text);
}

}  // namespace mk::vsphere
