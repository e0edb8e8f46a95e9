// Which reader is chosen, and with which arguments, by a script in nbdkit's place: the VDDK library is proprietary and
// on no build machine, so that its plugin is played here.
#include "source/vsphere/disk_readers.hpp"

#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>

#include "base/secret.hpp"
#include "os/file.hpp"
#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Answers --dump-plugin as nbdkit does; asked to serve, it records its arguments and the password file, and ends.
constexpr const char* nbdkit_script = R"script(#!/bin/sh
here="$(dirname "$0")"
case " $* " in
*" curl "*--dump-plugin*) echo curl_version=7; exit 0 ;;
*" vddk "*--dump-plugin*)
    [ -e "$here/has-plugin" ] || { echo "nbdkit: error: cannot open plugin 'vddk'" >&2; exit 1; }
    echo vddk_default_libdir=/usr/lib/vddk
    for argument; do
        [ ! -e "${argument#libdir=}/lib64/libvixDiskLib.so.8" ] || echo vddk_library_version=8
    done
    exit 0 ;;
esac
printf '%s\n' "$@" > "$here/arguments"
for argument; do
    case "$argument" in
    password=+*) stat -c %a "${argument#password=+}" > "$here/mode"; cat "${argument#password=+}" > "$here/password" ;;
    esac
done
echo "VDDK is only played here" >&2
exit 1
)script";

class Readers : public testing::Test {
  protected:
    Readers() : folder(std::filesystem::temp_directory_path() / ("mk-readers-" + random_hex(6))) {
        os::make_folders(folder + "/vddk/lib64");
        os::write_file_atomically(folder + "/nbdkit", nbdkit_script, 0700);
        ::setenv("PATH", (folder + ":" + path).c_str(), 1);
        options.vddk_library_folder = folder + "/vddk";
    }
    ~Readers() override {
        ::setenv("PATH", path.c_str(), 1);
        std::filesystem::remove_all(folder);
    }

    void install_plugin() { os::write_file_atomically(folder + "/has-plugin", ""); }
    void install_library() { os::write_file_atomically(folder + "/vddk/lib64/libvixDiskLib.so.8", "played"); }
    std::unique_ptr<DiskReaders> open() {
        return std::make_unique<DiskReaders>(session, Address{"vc.example", 443, "/sdk"}, http::TlsTrust{}, options);
    }

    const std::string path = std::getenv("PATH");
    std::string folder;
    ReaderOptions options;
    std::shared_ptr<FakeServer> server = std::make_shared<FakeServer>();
    std::shared_ptr<Session> session = open_session(server);
};

TEST_F(Readers, VddkIsThereWithPluginAndLibraryOnly) {
    EXPECT_THAT(available_readers(options), ElementsAre("folder"));
    EXPECT_TRUE(open()->limits().only_base_files);
    install_plugin();
    EXPECT_THAT(available_readers(options), ElementsAre("folder")) << "the plugin alone ends well, too";
    EXPECT_TRUE(open()->limits().only_base_files);
    install_library();
    EXPECT_THAT(available_readers(options), ElementsAre("folder", "vddk"));
    EXPECT_FALSE(open()->limits().only_base_files) << "VDDK reads chains of snapshots";
    EXPECT_THAT(available_readers({}), ElementsAre("folder")) << "not configured";
}

TEST_F(Readers, VddkIsChosenAndGetsThePasswordInAFile) {
    install_plugin();
    install_library();
    const auto readers = open();
    const ReaderTarget target{
        vm_reference("vm-36"), {"VirtualMachineSnapshot", "snapshot-9"}, "DC0", "[ds] d/x-000003.vmdk", 1 * MiB};
    const auto error = error_of([&] { readers->open(target, {}); });
    EXPECT_THAT(error.cause(), HasSubstr("VDDK is only played here"));

    const std::string arguments = os::read_file(folder + "/arguments");
    for (const auto& argument :
         {std::string("vddk"), "libdir=" + options.vddk_library_folder, std::string("server=vc.example"),
          std::string("user=user"), std::string("vm=moref=vm-36"), std::string("snapshot=snapshot-9"),
          std::string("file=[ds] d/x-000003.vmdk")}) {
        EXPECT_THAT(arguments, HasSubstr("\n" + argument + "\n"));
    }
    EXPECT_THAT(arguments, Not(HasSubstr("p&w")));
    EXPECT_EQ(os::read_file(folder + "/password"), "p&w");
    EXPECT_EQ(os::read_file(folder + "/mode"), "600\n");
}

TEST_F(Readers, ThePasswordIsInNoFileBeforeVddkReads) {
    install_plugin();
    install_library();
    const auto readers = open();
    EXPECT_FALSE(readers->limits().only_base_files);
    const auto parent = std::filesystem::temp_directory_path();
    for (const auto& entry : std::filesystem::directory_iterator(parent)) {
        if (entry.path().filename().string().starts_with("migratekit-reader-")) {
            EXPECT_FALSE(std::filesystem::exists(entry.path() / "password")) << entry.path();
        }
    }
}

}  // namespace
}  // namespace mk::vsphere
