#include "target/volumes/persistent_names.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include "support/temporary_folder.hpp"

namespace mk::volumes {
namespace {

const VmContextId context{"ctx-web-20260101-000000"};
const DiskId disk{"disk-2000"};

TEST(PersistentNames, AreDifferentForAReplicaAndEachOfItsClones) {
    const auto replica = PersistentNames::name_of(context, disk);
    const auto one = PersistentNames::name_of_clone(context, disk, VolumeId{"11111111-2222"});
    const auto two = PersistentNames::name_of_clone(context, disk, VolumeId{"11111111-3333"});
    EXPECT_EQ(replica, "vol-ctx-web-20260101-000000-disk-2000");
    EXPECT_EQ(one, "clone-ctx-web-20260101-000000-disk-2000-11111111-2222");
    EXPECT_NE(one, two);
}

TEST(PersistentNames, StayDifferentWhenTheyAreCut) {
    const VmContextId endless{std::string(300, 'x')};
    const auto one = PersistentNames::name_of_clone(endless, disk, VolumeId{"11111111-2222"});
    EXPECT_EQ(one.size(), 200u);
    EXPECT_NE(one, PersistentNames::name_of_clone(endless, disk, VolumeId{"11111111-3333"}));
    EXPECT_EQ(PersistentNames::name_of(endless, disk).size(), 200u);
}

TEST(PersistentNames, NeverLeaveTheirFolder) {
    const auto name = PersistentNames::name_of_clone(VmContextId{"../x"}, DiskId{"a/b"}, VolumeId{"../../c"});
    EXPECT_EQ(name.find('/'), std::string::npos);
}

TEST(PersistentNames, PointWhereTheyAreToldAndGo) {
    const test::TemporaryFolder folder;
    const PersistentNames names(folder / "links");
    const auto path = names.point("clone-a", "/dev/one");
    names.point("clone-a", "/dev/two");
    EXPECT_EQ(std::filesystem::read_symlink(path), "/dev/two");
    names.remove("clone-a");
    names.remove("clone-a");
    EXPECT_FALSE(std::filesystem::is_symlink(path));
}

}  // namespace
}  // namespace mk::volumes
