#include "source/vsphere/reader_commands.hpp"

#include <gmock/gmock.h>

#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(FolderUrl, EncodesEveryPart) {
    EXPECT_EQ(folder_url("https://vc", "DC0", "[ds1] web/web.vmdk"),
              "https://vc/folder/web/web-flat.vmdk?dcPath=DC0&dsName=ds1");
    EXPECT_EQ(
        folder_url("https://vc:8443", "Europe/Lab DC", "[nfs & bulk] a b/50%+ü#?.vmdk"),
        "https://vc:8443/folder/a%20b/50%25%2B%C3%BC%23%3F-flat.vmdk?dcPath=Europe%2FLab%20DC&dsName=nfs%20%26%20bulk");
    EXPECT_EQ(folder_url("https://vc", "DC%2f0", "[d] x/x.vmdk"),
              "https://vc/folder/x/x-flat.vmdk?dcPath=DC%252f0&dsName=d");
}

TEST(FolderUrl, AnEsxiHostHasNoDatacenter) {
    EXPECT_EQ(folder_url("https://esx", "", "[d] x/x.vmdk"), "https://esx/folder/x/x-flat.vmdk?dsName=d");
}

TEST(FolderUrl, RefusesLinksOfASnapshotChain) {
    const auto error = error_of([] { folder_url("https://vc", "DC0", "[d] x/x-000003.vmdk"); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.native(), "DeltaBase");
    EXPECT_THAT(folder_url("https://vc", "", "[d] x/x-00003.vmdk"), HasSubstr("x-00003-flat.vmdk"))
        << "five digits are a name";
    EXPECT_THAT(folder_url("https://vc", "", "[d] x/a-00000b.vmdk"), HasSubstr("a-00000b-flat.vmdk"));
}

TEST(FolderUrl, RefusesWhatIsNoDatastorePath) {
    for (const char* name : {"", "x.vmdk", "[d]x.vmdk", "[d] ", "ds] x.vmdk"}) {
        EXPECT_EQ(error_of([&] { folder_url("https://vc", "", name); }).code(), ErrorCode::corrupt) << name;
    }
    EXPECT_EQ(error_of([] { folder_url("https://vc", "", "[d] x/x.iso"); }).code(), ErrorCode::corrupt);
}

TEST(FolderReader, ServesReadOnlyVerifiesAndReadsTheCookieFromAFile) {
    const auto command = folder_reader_command(
        {{"/r/1.sock", "/r/1.pid"}, "https://vc/folder/x", "/r/it's a cookie", "/r/ca.pem", "/r/none", ""});
    EXPECT_EQ(command.front(), "nbdkit");
    for (const char* argument : {"--readonly", "--foreground", "--exit-with-parent", "/r/1.sock", "--filter=retry",
                                 "sslverify=true", "cainfo=/r/ca.pem", "capath=/r/none", "url=https://vc/folder/x",
                                 "followlocation=false", "cookie-script=cat '/r/it'\\''s a cookie'"}) {
        EXPECT_THAT(command, Contains(argument));
    }
    EXPECT_THAT(command, Contains(StartsWith("timeout=")));
    EXPECT_THAT(command, Not(Contains(HasSubstr("vmware_soap_session"))));
    EXPECT_THAT(command, Not(Contains(StartsWith("unix-socket-path"))));
}

TEST(FolderReader, UsesTheSystemsAuthoritiesAndARelayWhenTold) {
    const auto command = folder_reader_command({{"s", "p"}, "u", "c", "", "", "/r/relay.sock"});
    EXPECT_THAT(command, Not(Contains(StartsWith("cainfo="))));
    EXPECT_THAT(command, Not(Contains(StartsWith("capath="))));
    EXPECT_THAT(command, Contains("unix-socket-path=/r/relay.sock"));
}

// Arguments only: the library is proprietary and not part of any build.
TEST(VddkReader, HasTheArgumentsThatThePluginWants) {
    const auto command = vddk_reader_command({{"/r/1.sock", "/r/1.pid"},
                                              "/opt/vddk",
                                              {"vc.example", 443, "/sdk"},
                                              "DOM\\u",
                                              "/r/password",
                                              "AB:CD",
                                              "/r/vddk.conf",
                                              vm_reference("vm-36"),
                                              {"VirtualMachineSnapshot", "snapshot-9"},
                                              "[ds] d/x-000003.vmdk"});
    EXPECT_THAT(command,
                ElementsAre("nbdkit", "--readonly", "--foreground", "--exit-with-parent", "--unix", "/r/1.sock",
                            "--pidfile", "/r/1.pid", "--threads=16", "--filter=blocksize", "--filter=cacheextents",
                            "-D", "vddk.datapath=0", "-D", "nbdkit.backend.datapath=0", "vddk", "libdir=/opt/vddk",
                            "server=vc.example", "port=443", "user=DOM\\u", "password=+/r/password", "thumbprint=AB:CD",
                            "vm=moref=vm-36", "snapshot=snapshot-9", "compression=skipz", "transports=nbdssl:nbd",
                            "config=/r/vddk.conf", "file=[ds] d/x-000003.vmdk", "maxdata=2M", "minblock=512"));
    EXPECT_THAT(vddk_tuning(), HasSubstr("vixDiskLib.nfcAio.Session.BufCount=4\n"));
}

TEST(Address_, IsCompletedAndChecked) {
    EXPECT_EQ(parse_address("vc").url(), "https://vc/sdk");
    EXPECT_EQ(parse_address("vc:8443").url(), "https://vc:8443/sdk");
    EXPECT_EQ(parse_address("https://vc.example/").url(), "https://vc.example/sdk");
    EXPECT_EQ(parse_address("https://127.0.0.1:1234/sdk").url(), "https://127.0.0.1:1234/sdk");
    EXPECT_EQ(parse_address("[::1]:8443").url(), "https://[::1]:8443/sdk");
    EXPECT_EQ(parse_address("https://vc/other").base_url(), "https://vc");
    for (const char* text : {"", "https://", "http://vc/sdk", "vc:", "vc:0", "vc:70000", "vc:x", "user@vc", "v c",
                             "[::1", "https://vc?x=1"}) {
        EXPECT_EQ(error_of([&] { parse_address(text); }).code(), ErrorCode::invalid) << text;
    }
}

}  // namespace
}  // namespace mk::vsphere
