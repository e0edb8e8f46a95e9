#include "control/settings/source_appliances.hpp"

#include <algorithm>

#include <fmt/core.h>

namespace mk::settings {

namespace {

constexpr const char* used_name = "vma.used_appliance";
constexpr int most_open_jobs = 1000;
constexpr std::size_t most_named = 5;

std::string names_of(const std::vector<PairedAppliance>& appliances) {
    std::string names;
    for (const auto& appliance : appliances) {
        names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", appliance.name, appliance.id);
    }
    return names;
}

std::vector<PairedAppliance> matching(const std::vector<PairedAppliance>& all, const std::string& words) {
    std::vector<PairedAppliance> found;
    const auto take = [&](const auto& matches) {
        std::copy_if(all.begin(), all.end(), std::back_inserter(found), matches);
        return !found.empty();
    };
    const bool is_exact = take([&](const PairedAppliance& one) { return one.id == words; }) ||
                          take([&](const PairedAppliance& one) { return one.name == words; });
    if (!is_exact && !words.empty()) {
        take([&](const PairedAppliance& one) { return one.id.starts_with(words) || one.name.starts_with(words); });
    }
    return found;
}

Error none_paired() {
    return {
        ErrorCode::conflict,
        "no appliance of the source site (VMA) is paired with this OMA",
        {.consequence = "Nothing was changed.", .remedy = "Pair one: migratekit appliance pair", .retry_safe = true}};
}

/// A test failover never leaves this site.
bool needs_source(const joblog::Job& job) {
    return job.type != JobType::test_failover;
}

}  // namespace

SourceAppliances::SourceAppliances(Pairings& pairings, const joblog::JobLog& job_log, SettingRows rows,
                                   SourceChoice choice)
    : pairings_(pairings), job_log_(job_log), rows_(std::move(rows)), choice_(std::move(choice)) {}

std::vector<PairedAppliance> SourceAppliances::list() const {
    auto all = pairings_.list();
    std::sort(all.begin(), all.end(), [](const PairedAppliance& a, const PairedAppliance& b) {
        return std::tie(a.name, a.id) < std::tie(b.name, b.id);
    });
    return all;
}

PairedAppliance SourceAppliances::require(const std::string& words) const {
    const auto found = matching(list(), words);
    if (found.size() == 1) {
        return found.front();
    }
    if (found.empty()) {
        throw Error(ErrorCode::not_found, "there is no paired appliance '" + words + "'",
                    {.consequence = "Nothing was changed.",
                     .remedy = "List them: migratekit appliance list",
                     .retry_safe = true});
    }
    throw Error(ErrorCode::not_found, fmt::format("'{}' means several appliances: {}", words, names_of(found)),
                {.consequence = "Nothing was changed.", .remedy = "Use the id.", .retry_safe = true});
}

PairedAppliance SourceAppliances::configured_one(const std::vector<PairedAppliance>& all) const {
    const auto found = matching(all, choice_.appliance);
    if (found.size() == 1) {
        return found.front();
    }
    throw Error(ErrorCode::conflict,
                fmt::format("the configured appliance '{}' {}", choice_.appliance,
                            found.empty() ? "is not paired with this OMA" : "could be several: " + names_of(found)),
                {.consequence = "Nothing was changed.",
                 .remedy = fmt::format("Pair it, or set vma.appliance in oma-api.toml to the id of one of these and "
                                       "restart the service: {}.",
                                       names_of(all)),
                 .retry_safe = true});
}

PairedAppliance SourceAppliances::used_before(const std::vector<PairedAppliance>& all) {
    const auto before = rows_.find(used_name);
    for (const auto& appliance : all) {
        if (appliance.id == before) {
            return appliance;
        }
    }
    if (all.size() == 1) {
        rows_.save(used_name, all.front().id);
        return all.front();
    }
    throw Error(ErrorCode::conflict,
                fmt::format("{} appliances are paired and none of them is chosen: {}", all.size(), names_of(all)),
                {.consequence = "Nothing was changed.",
                 .remedy = "Set vma.appliance in oma-api.toml to the id of one and restart the service, or retire the "
                           "others: migratekit appliance retire",
                 .retry_safe = true});
}

std::optional<PairedAppliance> SourceAppliances::used() {
    if (choice_.has_address) {
        return std::nullopt;
    }
    const auto all = list();
    if (all.empty()) {
        throw none_paired();
    }
    return choice_.appliance.empty() ? used_before(all) : configured_one(all);
}

bool SourceAppliances::is_used(const PairedAppliance& appliance) {
    try {
        const auto chosen = used();
        return chosen && chosen->id == appliance.id;
    } catch (const Error&) {
        return false;  // without a choice nothing goes through any of them
    }
}

Invitation SourceAppliances::invite() {
    return pairings_.invite();
}

void SourceAppliances::refuse_while_needed(const PairedAppliance& appliance) {
    if (!is_used(appliance)) {
        return;
    }
    std::string jobs;
    std::size_t count = 0;
    for (const auto& job : job_log_.list({}, true, most_open_jobs)) {
        if (needs_source(job) && ++count <= most_named) {
            jobs += fmt::format("{}{} {}", jobs.empty() ? "" : ", ", job.operation, job.id.value);
        }
    }
    if (count == 0) {
        return;
    }
    if (count > most_named) {
        jobs += fmt::format(" and {} more", count - most_named);
    }
    throw Error(
        ErrorCode::conflict, fmt::format("jobs go through {}: {}", appliance.name, jobs),
        {.consequence = "Nothing was changed; the appliance is still trusted.",
         .remedy = "Wait for them or stop them, or force it: then they fail, and the last recovery points stay.",
         .retry_safe = true});
}

PairedAppliance SourceAppliances::retire(const std::string& words, bool force) {
    auto appliance = require(words);
    if (!force) {
        refuse_while_needed(appliance);
    }
    if (!pairings_.remove(appliance.id)) {
        throw Error(ErrorCode::not_found, "the appliance " + appliance.name + " was retired meanwhile",
                    {.retry_safe = true});
    }
    return appliance;
}

}  // namespace mk::settings
