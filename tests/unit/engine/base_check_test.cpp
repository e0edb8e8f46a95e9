#include "engine/base_check.hpp"

#include <gtest/gtest.h>

using namespace mk;
using namespace mk::engine;

namespace {

const Base good_base{.change_id = "52 de/4", .backing_uuid = "6000C29a", .capacity = 10 * GiB};
const FrozenDisk good_disk{
    .id = DiskId{"disk-2000"}, .capacity = 10 * GiB, .backing_uuid = "6000C29a", .change_id = "52 de/9"};

struct Row {
    const char* name;
    std::optional<Base> base;
    FrozenDisk disk;
    const char* reason;  ///< part of it; empty = incremental
};

Base base_with(auto change) {
    Base base = good_base;
    change(base);
    return base;
}

FrozenDisk disk_with(auto change) {
    FrozenDisk disk = good_disk;
    change(disk);
    return disk;
}

}  // namespace

TEST(BaseCheck, DecidesByTheTable) {
    const std::vector<Row> rows{
        {"all fits", good_base, good_disk, ""},
        {"no base", std::nullopt, good_disk, "first copy"},
        {"no id then", base_with([](Base& base) { base.change_id = ""; }), good_disk, "not active at the last copy"},
        {"no id now", good_base, disk_with([](FrozenDisk& disk) { disk.change_id = ""; }), "not active for this disk"},
        {"other disk", good_base, disk_with([](FrozenDisk& disk) { disk.backing_uuid = "6000C29b"; }), "replaced"},
        {"grown", good_base, disk_with([](FrozenDisk& disk) { disk.capacity += 512; }), "resized"},
        {"shrunk", good_base, disk_with([](FrozenDisk& disk) { disk.capacity -= 512; }), "resized"},
        {"reset", good_base, disk_with([](FrozenDisk& disk) { disk.change_id = "52 ff/9"; }), "reset"},
        {"same sequence, other uuid", good_base, disk_with([](FrozenDisk& disk) { disk.change_id = "52 d/4"; }),
         "reset"},
    };
    for (const Row& row : rows) {
        const std::string reason = reason_for_full_copy(row.base, row.disk);
        EXPECT_EQ(reason.empty(), row.reason[0] == '\0') << row.name << ": " << reason;
        EXPECT_NE(reason.find(row.reason), std::string::npos) << row.name << ": " << reason;
    }
}
