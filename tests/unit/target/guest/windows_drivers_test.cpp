#include "target/guest/windows_drivers.hpp"

#include <filesystem>

#include <gtest/gtest.h>

#include "guests.hpp"
#include "os/file.hpp"
#include "support/temporary_folder.hpp"

namespace mk::guest {
namespace {

struct WindowsCase {
    const char* name;
    int major;
    int minor;
    const char* variant;
    const char* osinfo;
    const char* folder;  ///< of virtio-win; empty: none
};

class WindowsVersions : public testing::TestWithParam<WindowsCase> {};

SystemFacts system_of(const WindowsCase& expected) {
    SystemFacts system;
    system.family = "windows";
    system.variant = expected.variant;
    system.osinfo = expected.osinfo;
    system.major_version = expected.major;
    system.minor_version = expected.minor;
    system.architecture = "x86_64";
    return system;
}

TEST_P(WindowsVersions, GetTheirOwnDrivers) {
    const auto system = system_of(GetParam());
    const std::string folder = GetParam().folder;
    EXPECT_EQ(virtio_win_name_of(system), folder);
    for (const std::string other :
         {"xp", "2k3", "2k8", "w7", "2k8r2", "w8", "2k12", "w8.1", "2k12r2", "w10", "w11", "2k16", "2k19", "2k22"}) {
        const auto choice = choose_drivers(system, {"/viostor/" + other + "/amd64/viostor.sys"});
        EXPECT_EQ(choice.storage, other == folder) << other;
    }
}

INSTANTIATE_TEST_SUITE_P(Table, WindowsVersions,
                         testing::Values(WindowsCase{"Windows7", 6, 1, "Client", "win7", "w7"},
                                         WindowsCase{"Server2008R2", 6, 1, "Server", "win2k8r2", "2k8r2"},
                                         WindowsCase{"Windows8", 6, 2, "Client", "win8", "w8"},
                                         WindowsCase{"Server2012", 6, 2, "Server", "win2k12", "2k12"},
                                         WindowsCase{"Windows81", 6, 3, "Client", "win8.1", "w8.1"},
                                         WindowsCase{"Server2012R2", 6, 3, "Server Core", "win2k12r2", "2k12r2"},
                                         WindowsCase{"Windows10", 10, 0, "Client", "win10", "w10"},
                                         WindowsCase{"Windows11", 10, 0, "Client", "win11", "w11"},
                                         WindowsCase{"Server2016", 10, 0, "Server", "win2k16", "2k16"},
                                         WindowsCase{"Server2019", 10, 0, "Server", "win2k19", "2k19"},
                                         WindowsCase{"Server2022", 10, 0, "Server", "win2k22", "2k22"},
                                         WindowsCase{"Future", 12, 0, "Server", "win2k99", ""}),
                         [](const auto& test_case) { return test_case.param.name; });

TEST(DriverChoice, LongNamesAndBothOrdersAreUnderstood) {
    const auto system = test::a_windows().systems[0];
    EXPECT_TRUE(choose_drivers(system, {"./drivers/amd64/win2022/viostor.sys"}).storage);
    EXPECT_TRUE(choose_drivers(system, {"/x/2k22/amd64/netkvm.inf"}).network);
    EXPECT_FALSE(choose_drivers(system, {"/x/2k22/amd64/netkvm.inf"}).storage);
}

TEST(DriverChoice, TheArchitectureMustFit) {
    auto system = test::a_windows().systems[0];
    EXPECT_FALSE(choose_drivers(system, {"/viostor/2k22/x86/viostor.sys"}).storage);
    EXPECT_FALSE(choose_drivers(system, {"/viostor/2k22/arm64/viostor.sys"}).storage);
    system.architecture = "i386";
    EXPECT_TRUE(choose_drivers(system, {"/viostor/2k22/x86/viostor.sys"}).storage);
    EXPECT_TRUE(choose_drivers(system, {"/guest-agent/qemu-ga-i386.msi"}).agent);
    EXPECT_FALSE(choose_drivers(system, {"/guest-agent/qemu-ga-x86_64.msi"}).agent);
}

TEST(WindowsSupport, FindsDriversInAFolderInAnyCaseAndBehindLinks) {
    const mk::test::TemporaryFolder folder;
    os::make_folders(folder / "store/viostor/2k22/amd64");
    os::write_file_atomically(folder / "store/viostor/2k22/amd64/VIOSTOR.SYS", "x");
    os::write_file_atomically(folder / "store/viostor/2k22/amd64/readme.txt", "x");
    os::make_folders(folder / "virtio-win");
    std::filesystem::create_directory_symlink(folder / "store/viostor", folder / "virtio-win/Viostor");
    Tools tools;
    tools.virtio_win = folder / "virtio-win/";
    tools.virt_tools = folder / "virt-tools";
    auto support = windows_support_of(tools, {});
    EXPECT_TRUE(support.has_virtio_win);
    EXPECT_EQ(support.drivers, std::vector<std::string>{"/viostor/2k22/amd64/viostor.sys"});
    EXPECT_FALSE(support.has_service_program);
    os::make_folders(tools.virt_tools);
    os::write_file_atomically(tools.virt_tools + "/pvvxsvc.exe", "x");
    EXPECT_TRUE(windows_support_of(tools, {}).has_service_program);
}

TEST(WindowsSupport, OfAnIsoIsWhatTheInspectionSaw) {
    const mk::test::TemporaryFolder folder;
    os::write_file_atomically(folder / "virtio-win.iso", "x");
    Tools tools;
    tools.virtio_win = folder / "virtio-win.iso";
    GuestFacts facts;
    EXPECT_TRUE(windows_support_of(tools, facts).drivers.empty());
    facts.iso_drivers = {"viostor/2k22/amd64/viostor.sys"};
    EXPECT_EQ(windows_support_of(tools, facts).drivers, *facts.iso_drivers);
}

TEST(WindowsSupport, ThatIsNotThereIsTold) {
    Tools tools;
    tools.virtio_win = "/nowhere/virtio-win";
    EXPECT_FALSE(windows_support_of(tools, {}).has_virtio_win);
}

}  // namespace
}  // namespace mk::guest
