#include "cli/job_lookup.hpp"

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "cli/names.hpp"

namespace mk::cli {

namespace {

constexpr std::size_t uuid_length = 36;

}  // namespace

std::string job_id_of(Session& session, const std::string& words) {
    if (words.size() == uuid_length) {
        return http::url_encode(words);
    }
    std::vector<std::string> ids;
    for (const auto& job : json::value_or<Json>(session.api().get("/api/v1/jobs"), "jobs", Json::array())) {
        ids.push_back(json::value_or<std::string>(job, "job_id", ""));
    }
    return resolve_name("job", words, ids, "migratekit job list");
}

}  // namespace mk::cli
