#include "target/volumes/device_locator.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "target/volumes/persistent_names.hpp"

namespace mk::volumes {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using test::code_of;

const VolumeId volume_id{"c6ef61d1-300f-442a-86e5-e31f482b64ab"};
constexpr const char* serial = "c6ef61d1300f442a86e5";

/// A tree as the kernel and udev make it; devices are regular files.
class DeviceLocatorTest : public testing::Test {
  protected:
    test::TemporaryFolder folder;
    DeviceLocator locator{{.by_id = folder / "by-id", .sysfs_block = folder / "sys", .nodes = folder / "dev"}};

    DeviceLocatorTest() {
        for (const char* name : {"by-id", "sys", "dev"}) {
            fs::create_directory(folder / name);
        }
    }
    void device(const std::string& name, Bytes size, const std::string& device_serial = "") const {
        std::ofstream(folder / ("dev/" + name)).close();
        fs::resize_file(folder / ("dev/" + name), size);
        fs::create_directory(folder / ("sys/" + name));
        if (!device_serial.empty()) {
            std::ofstream(folder / ("sys/" + name + "/serial")) << device_serial << "\n";
        }
    }
    void link(const std::string& name, const std::string& target) const {
        fs::create_symlink(folder / ("dev/" + target), folder / ("by-id/" + name));
    }
};

TEST_F(DeviceLocatorTest, SerialIsTheFirstTwentyDigits) {
    EXPECT_EQ(serial_of(volume_id), serial);
    EXPECT_EQ(code_of([] { serial_of(VolumeId{"../../etc"}); }), ErrorCode::invalid);
}

TEST_F(DeviceLocatorTest, FindsVirtioAndScsiLinks) {
    EXPECT_FALSE(locator.find(volume_id));
    device("vdb", 4096);
    link(std::string("virtio-") + serial, "vdb");
    EXPECT_EQ(locator.find(volume_id)->path, folder / "dev/vdb");
    fs::remove(folder / (std::string("by-id/virtio-") + serial));
    link(std::string("scsi-0QEMU_QEMU_HARDDISK_") + serial, "vdb");
    EXPECT_EQ(locator.find(volume_id)->stable, folder / (std::string("by-id/scsi-0QEMU_QEMU_HARDDISK_") + serial));
}

TEST_F(DeviceLocatorTest, FindsTheSerialInSysfsAmongOthers) {
    device("vdb", 4096, "0000000000000000000a");
    device("vdc", 8192, serial);
    device("loop0", 4096);
    const auto found = locator.find(volume_id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->path, folder / "dev/vdc");
    EXPECT_EQ(found->size, 8192u);
}

TEST_F(DeviceLocatorTest, TakesAnEmptyOrDanglingDeviceAsAbsent) {
    link(std::string("virtio-") + serial, "gone");
    EXPECT_FALSE(locator.find(volume_id));
    device("gone", 0);
    EXPECT_FALSE(locator.find(volume_id));
}

TEST_F(DeviceLocatorTest, NeverChoosesBetweenTwoDevices) {
    device("vdb", 4096, serial);
    device("vdc", 4096, serial);
    EXPECT_EQ(code_of([&] { locator.find(volume_id); }), ErrorCode::conflict);
    fs::remove_all(folder / "sys/vdc");
    link(std::string("virtio-") + serial, "vdc");
    EXPECT_EQ(code_of([&] { locator.find(volume_id); }), ErrorCode::conflict);
}

TEST_F(DeviceLocatorTest, WaitsForTheRightSize) {
    device("vdb", 4096, serial);
    EXPECT_EQ(locator.wait_present(volume_id, 4096, 10s, {}).path, folder / "dev/vdb");
    EXPECT_EQ(code_of([&] { locator.wait_present(volume_id, 8192, 0s, {}); }), ErrorCode::corrupt);
    EXPECT_EQ(code_of([&] { locator.wait_absent(volume_id, 0s, {}); }), ErrorCode::timeout);
    fs::remove_all(folder / "sys/vdb");
    EXPECT_EQ(code_of([&] { locator.wait_present(volume_id, 4096, 0s, {}); }), ErrorCode::timeout);
    locator.wait_absent(volume_id, 0s, {});
}

TEST(PersistentNames, PointsReplacesAndRemoves) {
    test::TemporaryFolder folder;
    const PersistentNames names(folder / "links");
    const auto name = PersistentNames::name_of(VmContextId{"ctx-web/1-20260101-000000"}, DiskId{"disk-2000"});
    EXPECT_EQ(name, "vol-ctx-web_1-20260101-000000-disk-2000");
    const auto path = names.point(name, "/dev/vdb");
    EXPECT_EQ(fs::read_symlink(path), "/dev/vdb");
    names.point(name, "/dev/vdc");
    EXPECT_EQ(fs::read_symlink(path), "/dev/vdc");
    names.remove(name);
    names.remove(name);
    EXPECT_FALSE(fs::is_symlink(path));
}

}  // namespace
}  // namespace mk::volumes
