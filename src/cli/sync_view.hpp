#pragma once
// What a sync moved and what a comparison found, as facts and rows. Pure functions on what the API shows.

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/json.hpp"
#include "cli/table.hpp"

namespace mk::cli {

/// "reading", "tunnel" or "writing" when that leg holds the copy up; else empty.
std::string slow_leg(const Json& replication);

/// "sync list".
Table sync_table();
std::vector<std::string> sync_row(const Json& job, Instant now);

/// Figures of the copy: of a finished one from its recovery point, otherwise as far as it got.
void add_copy_facts(Table& table, const Json& job);
/// What a comparison found; nothing for other jobs, and before it ended.
void add_verification_facts(Table& table, const Json& job);

/// Whether a comparison found differences; nothing when the job is no finished comparison.
std::optional<bool> found_differences(const Json& job);
/// "identical, 20.0 GiB compared", "differs in 64.0 KiB, 20.0 GiB compared"; empty when it is no finished comparison.
std::string verdict_text(const Json& job);
/// One row per range that differs: disk, offset, length.
Table difference_table(const Json& job);

}  // namespace mk::cli
