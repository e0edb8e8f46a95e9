#include "source/vsphere/change_tracking.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "source/vsphere/requests.hpp"
#include "source/vsphere/tasks.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view everything_allocated = "*";
/// Bounds the memory to 128 MiB for one disk. Tracking works in blocks of 64 KiB at least, so that this is 1 TiB in
/// which every other block was changed; beyond it a full copy is the better way.
constexpr std::size_t most_areas = 8 * MiB;

Bytes to_bytes(const Node& node, std::string_view field) {
    const auto value = node.number(field);
    if (!value || *value < 0) {
        throw Error(ErrorCode::corrupt, "vCenter's list of changed areas has no usable " + std::string(field));
    }
    return static_cast<Bytes>(*value);
}

AreaWindow read_window(const Node& result) {
    AreaWindow window;
    window.start = to_bytes(result, "startOffset");
    window.length = to_bytes(result, "length");
    for (const auto& area : result.children("changedArea")) {
        window.areas.push_back({to_bytes(area, "start"), to_bytes(area, "length")});
    }
    return window;
}

/// The faults that a real server gives for an id of another tracking file, a reset or a missing -ctk.vmdk.
bool is_id_refused(const Fault& fault) {
    return fault.type == "FileFault" || fault.type == "FileNotFound" || fault.type == "NotFound" ||
           (fault.type == "InvalidArgument" && fault.invalid_property.find("startOffset") == std::string::npos);
}

bool is_allocation_unknown(const Fault& fault) {
    return is_id_refused(fault) || fault.type == "NotSupported" || fault.type == "SystemError";
}

}  // namespace

void enable_change_tracking(Session& session, const Moref& vm, const std::stop_token& stop) {
    static_cast<void>(
        run_task(session, vm, "enabling changed block tracking", requests::enable_change_tracking(vm), stop));
}

std::vector<Range> normalised(std::vector<Range> areas, Bytes capacity) {
    std::sort(areas.begin(), areas.end(), [](const Range& a, const Range& b) { return a.offset < b.offset; });
    std::vector<Range> merged;
    for (const auto& area : areas) {
        if (area.offset >= capacity) {
            break;
        }
        // Not area.end(): offset + length of a hostile answer may wrap.
        const auto length = std::min(area.length, capacity - area.offset);
        if (length == 0) {
            continue;
        }
        if (!merged.empty() && area.offset <= merged.back().end()) {
            merged.back().length = std::max(merged.back().end(), area.offset + length) - merged.back().offset;
        } else {
            merged.push_back({area.offset, length});
        }
    }
    return merged;
}

std::vector<Range> collect_areas(Bytes capacity, const std::function<AreaWindow(Bytes)>& ask) {
    std::vector<Range> areas;
    Bytes covered = 0;
    while (covered < capacity) {
        auto window = ask(covered);
        if (window.start != covered || window.length == 0) {
            throw Error(ErrorCode::corrupt,
                        "vCenter's list of changed areas does not cover the disk: asked from " +
                            std::to_string(covered) + ", answered " + std::to_string(window.length) + " bytes from " +
                            std::to_string(window.start),
                        {.consequence = "Nothing was copied from it.",
                         .remedy = "Repeat; if it stays, make a full sync.",
                         .retry_safe = true})
                .with_native("ChangedAreasIncomplete");
        }
        covered += std::min(window.length, capacity - covered);
        areas.insert(areas.end(), window.areas.begin(), window.areas.end());
        if (areas.size() > most_areas) {
            throw tracking_reset("vCenter names more than " + std::to_string(most_areas) + " changed areas");
        }
    }
    return normalised(std::move(areas), capacity);
}

std::string tracking_uuid_of(const std::string& change_id) {
    return change_id.substr(0, change_id.find('/'));
}

Error tracking_reset(const std::string& why) {
    return Error(ErrorCode::corrupt, "change tracking was reset: " + why,
                 {.consequence = "The next copy of this disk is a full one; the last recovery point is unchanged.",
                  .remedy = "Nothing: this is expected after a hard power-off, a resize or a snapshot revert.",
                  .retry_safe = true})
        .with_native("ChangeTrackingReset");
}

std::vector<Range> query_areas(Session& session, const AreaQuery& query, const std::stop_token& stop) {
    const std::string operation = "asking for the changed areas of disk " + std::to_string(query.device_key);
    std::optional<Fault> unknown_allocation;
    auto areas = collect_areas(query.capacity, [&](Bytes start) -> AreaWindow {
        const auto answer = session.try_call(
            {operation, requests::query_changed_areas(query.vm, query.snapshot, query.device_key, start, query.since)},
            stop);
        if (!answer.fault) {
            return read_window(answer.reply.result());
        }
        if (query.since == everything_allocated && is_allocation_unknown(*answer.fault)) {
            unknown_allocation = answer.fault;
            return {start, query.capacity - start, {{0, query.capacity}}};
        }
        if (is_id_refused(*answer.fault)) {
            throw tracking_reset(to_error(*answer.fault, operation).cause());
        }
        throw to_error(*answer.fault, operation);
    });
    if (unknown_allocation) {
        log::info("vm={} disk={} the allocated areas are not known ({}): all of it is read", query.vm.id,
                  query.device_key, unknown_allocation->type);
    }
    return areas;
}

}  // namespace mk::vsphere
