#include "contracts/engine_api.hpp"

#include "base/json_fields.hpp"

namespace mk::contracts {

using json::require;
using json::value_or;

namespace {

struct EventWriter {
    Json operator()(const EngineProgress& event) const {
        Json disks = Json::array();
        for (const PassDiskProgress& disk : event.disks) {
            disks.push_back(to_json(disk));
        }
        return {{"type", "progress"},
                {"stage", event.stage},
                {"sync_type", event.sync_type},
                {"sent_bytes", event.sent_bytes},
                {"zeroed_bytes", event.zeroed_bytes},
                {"wire_bytes", event.wire_bytes},
                {"bottleneck", event.bottleneck},
                {"trouble", event.trouble},
                {"disks", std::move(disks)}};
    }
    Json operator()(const EngineSnapshot& event) const {
        return {{"type", "snapshot"}, {"moref", event.moref}, {"name", event.name}};
    }
    Json operator()(const EngineDigests& event) const {
        Json digests = Json::array();
        for (const DigestedRange& digest : event.digests) {
            digests.push_back(to_json(digest));
        }
        return {{"type", "digests"}, {"disk_id", event.disk_id.value}, {"digests", std::move(digests)}};
    }
    Json operator()(const EngineDifferences& event) const {
        Json ranges = Json::array();
        for (const Range& range : event.ranges) {
            ranges.push_back({range.offset, range.length});
        }
        return {{"type", "differences"}, {"disk_id", event.disk_id.value}, {"ranges", std::move(ranges)}};
    }
    Json operator()(const EngineResult& event) const { return {{"type", "result"}, {"result", to_json(event.result)}}; }
    Json operator()(const EngineError& event) const { return {{"type", "error"}, {"error", event.error}}; }
};

EngineProgress progress_from(const Json& json) {
    EngineProgress event;
    event.stage = require<std::string>(json, "stage");
    event.sync_type = value_or<std::string>(json, "sync_type", "");
    event.sent_bytes = value_or<Bytes>(json, "sent_bytes", 0);
    event.zeroed_bytes = value_or<Bytes>(json, "zeroed_bytes", 0);
    event.wire_bytes = value_or<Bytes>(json, "wire_bytes", 0);
    event.bottleneck = value_or<std::string>(json, "bottleneck", "");
    event.trouble = value_or<std::string>(json, "trouble", "");
    for (const Json& disk : value_or<Json>(json, "disks", Json::array())) {
        event.disks.push_back(pass_disk_progress_from(disk));
    }
    return event;
}

EngineDigests digests_from(const Json& json) {
    EngineDigests event;
    event.disk_id = DiskId{require<std::string>(json, "disk_id")};
    for (const Json& digest : require<Json>(json, "digests")) {
        event.digests.push_back(digested_range_from(digest));
    }
    return event;
}

EngineDifferences differences_from(const Json& json) {
    EngineDifferences event;
    event.disk_id = DiskId{require<std::string>(json, "disk_id")};
    for (const Json& range : require<Json>(json, "ranges")) {
        if (!range.is_array() || range.size() != 2 || !range.at(0).is_number_unsigned() ||
            !range.at(1).is_number_unsigned()) {
            throw Error(ErrorCode::invalid, "a difference that the engine found is no range");
        }
        event.ranges.push_back({range.at(0).get<Bytes>(), range.at(1).get<Bytes>()});
    }
    return event;
}

}  // namespace

std::string engine_event_line(const EngineEvent& event) {
    return json::dump(std::visit(EventWriter{}, event));
}

std::string engine_command_line(const EngineCommand& command) {
    return json::dump({{"bytes_per_second", command.bytes_per_second}});
}

EngineCommand engine_command_from(const std::string& line) {
    return {.bytes_per_second = require<Bytes>(json::parse(line), "bytes_per_second")};
}

EngineEvent engine_event_from(const std::string& line) {
    const Json json = json::parse(line);
    const auto type = require<std::string>(json, "type");
    if (type == "progress") {
        return progress_from(json);
    }
    if (type == "snapshot") {
        return EngineSnapshot{require<std::string>(json, "moref"), require<std::string>(json, "name")};
    }
    if (type == "digests") {
        return digests_from(json);
    }
    if (type == "differences") {
        return differences_from(json);
    }
    if (type == "result") {
        return EngineResult{pass_result_from(require<Json>(json, "result"))};
    }
    if (type == "error") {
        return EngineError{require<Json>(json, "error")};
    }
    throw Error(ErrorCode::invalid, "'" + type + "' is not an event of the engine");
}

}  // namespace mk::contracts
