#include "appliance/vma/checkpoints.hpp"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "os/file.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::vma {
namespace {

class CheckpointFolder : public testing::Test {
  protected:
    std::string write(const std::string& instance_uuid) {
        os::write_file_atomically(checkpoints.path(instance_uuid), "{}\n");
        return checkpoints.path(instance_uuid);
    }

    test::TemporaryFolder parent;
    std::string folder = parent / "checkpoints";
    test::FakeClock clock;
    Checkpoints checkpoints{folder, clock};
};

TEST_F(CheckpointFolder, IsForItsOwnerOnly) {
    struct stat facts{};
    ASSERT_EQ(::stat(folder.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0700U);
}

TEST_F(CheckpointFolder, EachMachineHasOneFile) {
    EXPECT_EQ(checkpoints.path("5012AB-cd"), folder + "/5012ab-cd.jsonl");
    EXPECT_EQ(checkpoints.path("5012ab-CD"), checkpoints.path("5012AB-cd"));
    EXPECT_EQ(checkpoints.path(""), "");
}

TEST_F(CheckpointFolder, NoNameLeavesTheFolder) {
    const std::vector<std::string> odd{
        "../x",     "/etc/passwd", "a/b", ".", "..", "a b", std::string(65, 'a'), std::string("a\0b", 3),
        "\xc3\xa4", "a.jsonl"};
    std::set<std::string> names;
    for (const std::string& name : odd) {
        const std::filesystem::path path = checkpoints.path(name);
        EXPECT_EQ(path.parent_path(), folder);
        EXPECT_EQ(path.filename().string().size(), 64 + std::string(".jsonl").size()) << name;
        names.insert(path);
    }
    EXPECT_EQ(names.size(), odd.size());
}

TEST_F(CheckpointFolder, OneIsForgottenTheOthersStay) {
    const std::string one = write("5000-1");
    const std::string two = write("5000-2");
    checkpoints.forget("5000-1");
    checkpoints.forget("5000-1");
    checkpoints.forget("");
    EXPECT_FALSE(std::filesystem::exists(one));
    EXPECT_TRUE(std::filesystem::exists(two));
}

TEST_F(CheckpointFolder, AfterFourteenDaysTheyGo) {
    const std::string old = write("5000-1");
    const std::string recent = write("5000-2");
    const std::string torn = recent + ".new";
    os::write_file_atomically(torn, "{");
    const auto set_age = [&](const std::string& path, std::chrono::hours age) {
        std::filesystem::last_write_time(path, std::chrono::file_clock::from_sys(clock.now() - age));
    };
    set_age(old, std::chrono::hours{14 * 24 + 1});
    set_age(recent, std::chrono::hours{14 * 24 - 1});
    set_age(torn, std::chrono::hours{1000 * 24});
    checkpoints.remove_old();
    EXPECT_FALSE(std::filesystem::exists(old));
    EXPECT_TRUE(std::filesystem::exists(recent));
    EXPECT_FALSE(std::filesystem::exists(torn));
}

}  // namespace
}  // namespace mk::vma
