#pragma once
// A CloudStack whose volumes and snapshots live in memory, behind the transport of the client: for tests of what is
// made of many commands. Jobs are over at once. Rules of the platform only as far as a test of ours leans on them: what
// is attached is not deleted, a snapshot with dependent volumes is kept. One caller.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "support/scripted_cloud.hpp"

namespace mk::test {

class MemoryCloud {
  public:
    /// A volume that has bytes.
    std::string add_volume(const std::string& name, const std::string& vm = "", int device = 1,
                           const std::string& type = "DATADISK", const std::string& state = "Ready") {
        const auto id = "volume-" + std::to_string(++last_id_);
        volumes[id] = {{"id", id}, {"name", name}, {"type", type}, {"state", state}, {"size", GiB}};
        if (!vm.empty()) {
            place(id, vm, device, type);
        }
        return id;
    }
    void place(const std::string& id, const std::string& vm, int device, const std::string& type) {
        volumes[id].update({{"virtualmachineid", vm}, {"vmdisplayname", vm}, {"deviceid", device}, {"type", type}});
    }

    cloudstack::ClientOptions options(EffectJournal* journal = nullptr) {
        auto made = ScriptedCloud().options(journal);
        made.transport = [this](const http::Request& request, const std::stop_token&) { return receive(request); };
        return made;
    }

    /// Commands that were sent, without those that only look.
    std::size_t count(const std::string& command) const {
        return static_cast<std::size_t>(std::count(sent.begin(), sent.end(), command));
    }

    std::map<std::string, Json> volumes;
    std::map<std::string, Json> snapshots;
    std::vector<std::string> sent;
    std::map<std::string, int> refused;             ///< command -> code with which it is refused from now on
    std::map<std::string, int> vanished;            ///< command -> how often it is done and its answer lost
    std::map<std::string, std::string> job_states;  ///< of jobs that a test names: "pending", "gone"
    bool is_revertable = true;
    std::string next_snapshot_state = "BackedUp";

  private:
    struct Refusal {
        int code;
        std::string text;
    };

    http::Response receive(const http::Request& request) {
        const auto query =
            request.method == "POST" ? "/?" + request.body : request.url.substr(request.url.find('/', 8));
        const auto parameters = http::parse_target(query)->query;
        const auto command = parameters.at("command");
        try {
            const auto content = perform(command, parameters);
            if (auto& times = vanished[command]; times > 0) {
                --times;
                throw Error(ErrorCode::unavailable, "the connection broke");
            }
            return answer(200, {{command + "response", content}});
        } catch (const Refusal& refusal) {
            return answer(refusal.code,
                          {{command + "response", {{"errorcode", refusal.code}, {"errortext", refusal.text}}}});
        }
    }

    static http::Response answer(int status, const Json& body) {
        return {.status = status, .headers = {}, .cookies = {}, .body = json::dump(body)};
    }

    Json perform(const std::string& command, const Names& given) {
        if (command == "listVolumes") {
            return list("volume", volumes, given, {"id", "name", "virtualmachineid"});
        }
        if (command == "listSnapshots") {
            return list("snapshot", snapshots, given, {"id", "volumeid"});
        }
        if (command == "queryAsyncJobResult") {
            return job(given.at("jobid"));
        }
        if (command.starts_with("list")) {
            return Json::object();
        }
        sent.push_back(command);
        if (const auto found = refused.find(command); found != refused.end()) {
            throw Refusal{found->second, "refused by the test"};
        }
        return change(command, given);
    }

    Json job(const std::string& id) const {
        const auto found = job_states.find(id);
        if (found != job_states.end() && found->second == "gone") {
            throw Refusal{431, "entity does not exist"};
        }
        return {{"jobstatus", found == job_states.end() ? 1 : 0}};
    }

    static Json list(const char* name, const std::map<std::string, Json>& all, const Names& given,
                     const std::vector<std::string>& filters) {
        Json found = Json::array();
        for (const auto& [id, object] : all) {
            const bool is_wanted = std::all_of(filters.begin(), filters.end(), [&](const std::string& filter) {
                return !given.contains(filter) || object.value(filter, "") == given.at(filter);
            });
            if (is_wanted) {
                found.push_back(object);
            }
        }
        return found.empty() ? Json::object() : Json{{"count", found.size()}, {name, found}};
    }

    Json change(const std::string& command, const Names& given) {
        std::string made;
        if (command == "createVolume") {
            made = add_volume(given.at("name"));
            volumes[made]["snapshotid"] = given.at("snapshotid");
        } else if (command == "createSnapshot") {
            made = "snapshot-" + std::to_string(++last_id_);
            snapshots[made] = {{"id", made},
                               {"name", given.at("name")},
                               {"volumeid", given.at("volumeid")},
                               {"state", next_snapshot_state},
                               {"revertable", is_revertable}};
        } else if (command == "deleteSnapshot") {
            remove_snapshot(given.at("id"));
        } else if (command == "attachVolume") {
            const bool as_root = given.contains("deviceid") && given.at("deviceid") == "0";
            place(given.at("id"), given.at("virtualmachineid"), as_root ? 0 : 1, as_root ? "ROOT" : "DATADISK");
        } else if (command == "detachVolume") {
            for (const char* field : {"virtualmachineid", "vmdisplayname", "deviceid"}) {
                volumes[given.at("id")].erase(field);
            }
            volumes[given.at("id")]["type"] = "DATADISK";
        } else if (command == "deleteVolume") {
            remove_volume(given.at("id"));
            return {{"success", true}};
        }
        return {{"jobid", "job-" + std::to_string(++last_id_)}, {"id", made}};
    }

    void remove_volume(const std::string& id) {
        if (volumes.at(id).contains("virtualmachineid")) {
            throw Refusal{431, "Please specify a volume that is not attached to any VM."};
        }
        volumes.erase(id);
    }
    void remove_snapshot(const std::string& id) {
        for (const auto& [volume, object] : volumes) {
            if (object.value("snapshotid", "") == id) {
                throw Refusal{530, "volumes depend on it"};
            }
        }
        snapshots.erase(id);
    }

    int last_id_ = 0;
};

}  // namespace mk::test
