#include "source/vsphere/private_folder.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace mk::vsphere {
namespace {

namespace fs = std::filesystem;

TEST(PrivateFolder_, IsOursAloneAndGoesWithItsContent) {
    std::string path;
    {
        const PrivateFolder folder;
        path = folder.path();
        struct stat facts{};
        ASSERT_EQ(::stat(path.c_str(), &facts), 0);
        EXPECT_EQ(facts.st_mode & 0777U, 0700U);
        std::ofstream(folder.file("cookie")) << "secret";
    }
    EXPECT_FALSE(fs::exists(path));
}

TEST(PrivateFolder_, RemovesWhatAKilledProcessLeftAndSparesTheLiving) {
    const PrivateFolder living;
    const auto abandoned = fs::path(living.path()).parent_path() / "migratekit-reader-killed";
    const auto unfinished = fs::path(living.path()).parent_path() / "migratekit-reader-being-made";
    fs::create_directory(abandoned);
    fs::create_directory(unfinished);
    std::ofstream(abandoned / "lock") << "";
    std::ofstream(abandoned / "cookie") << "secret";
    const PrivateFolder next;
    EXPECT_FALSE(fs::exists(abandoned));
    EXPECT_TRUE(fs::exists(unfinished));
    EXPECT_TRUE(fs::exists(living.path()));
    fs::remove_all(unfinished);
}

}  // namespace
}  // namespace mk::vsphere
