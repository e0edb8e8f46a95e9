#include "source/vsphere/reply.hpp"

#include <gmock/gmock.h>

#include "unit/source/vsphere/fake_server.hpp"

namespace mk::vsphere {
namespace {

TEST(Reply, FindsTypesWhateverTheServerCallsTheNamespace) {
    const auto answer = parse_answer(
        R"(<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><v:R xmlns:v="urn:vim25"><v:returnval)"
        R"( xmlns:XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance" XMLSchema-instance:type="v:VirtualDisk">)"
        R"(<v:obj type="VirtualMachine">42</v:obj><v:n>-7</v:n><v:f>1</v:f></v:returnval></v:R></S:Body></S:Envelope>)");
    ASSERT_FALSE(answer.fault);
    const auto result = answer.reply.result();
    EXPECT_EQ(result.xsi_type(), "VirtualDisk");
    EXPECT_EQ(result.reference("obj"), (Moref{"VirtualMachine", "42"}));
    EXPECT_EQ(result.at("obj").xsi_type(), "");
    EXPECT_EQ(result.number("n"), -7);
    EXPECT_TRUE(result.flag("f"));
    EXPECT_FALSE(result.at("absent"));
    EXPECT_EQ(result.number("absent"), std::nullopt);
    EXPECT_EQ(result.text("absent.below"), "");
}

TEST(Reply, WhatIsNoSoapIsAnErrorAndNoCrash) {
    for (const char* text :
         {"", "<html><body>Sign in</body></html>", "<Envelope><Body></Body></Envelope>", "<Envelope><Body><a>"}) {
        EXPECT_EQ(error_of([&] { parse_answer(text); }).code(), ErrorCode::external) << text;
    }
}

TEST(Reply, AFaultWithoutDetailIsStillAFault) {
    const auto answer = parse_answer(FakeServer::envelope(
        "<soapenv:Fault><faultcode>x</faultcode><faultstring>broken</faultstring></soapenv:Fault>"));
    ASSERT_TRUE(answer.fault);
    EXPECT_EQ(answer.fault->message, "broken");
}

TEST(Reply, AFaultWithoutTypeIsNamedByItsElement) {
    const auto answer = parse_answer(FakeServer::envelope(
        "<soapenv:Fault><faultstring/><detail><NotAuthenticatedFault xmlns=\"urn:vim25\"/></detail></soapenv:Fault>"));
    ASSERT_TRUE(answer.fault);
    EXPECT_EQ(answer.fault->type, "NotAuthenticated");
}

struct Row {
    const char* type;
    ErrorCode code;
    FaultHandling handling;
};

class FaultTable : public testing::TestWithParam<Row> {};

TEST_P(FaultTable, GivesCodeNativeTypeAndHandling) {
    const auto& row = GetParam();
    const auto answer = parse_answer(FakeServer::fault(row.type, "<task type=\"Task\">t-1</task>").body);
    ASSERT_TRUE(answer.fault);
    const auto error = to_error(*answer.fault, "doing it");
    EXPECT_EQ(error.code(), row.code);
    EXPECT_EQ(error.native(), row.type);
    EXPECT_EQ(handling_of(error), row.handling);
    // The one loop that retries looks at retryable(): both must say the same.
    EXPECT_EQ(error.retryable(), row.handling == FaultHandling::wait_and_retry);
    EXPECT_THAT(error.cause(), testing::HasSubstr("doing it"));
    EXPECT_EQ(answer.fault->task.id, "t-1");
}

using enum FaultHandling;
INSTANTIATE_TEST_SUITE_P(
    Rows, FaultTable,
    testing::Values(
        Row{"InvalidLogin", ErrorCode::unauthenticated, permanent},
        Row{"PasswordExpired", ErrorCode::unauthenticated, permanent},
        Row{"NotAuthenticated", ErrorCode::unauthenticated, log_in_again},
        Row{"NoPermission", ErrorCode::forbidden, permanent}, Row{"RestrictedVersion", ErrorCode::forbidden, permanent},
        Row{"ManagedObjectNotFound", ErrorCode::not_found, resolve_again},
        Row{"InvalidProperty", ErrorCode::internal, permanent}, Row{"InvalidArgument", ErrorCode::invalid, permanent},
        Row{"TaskInProgress", ErrorCode::unavailable, wait_and_retry},
        Row{"InvalidState", ErrorCode::conflict, read_state_again},
        Row{"InvalidPowerState", ErrorCode::conflict, read_state_again},
        Row{"ConcurrentAccess", ErrorCode::conflict, read_state_again},
        Row{"FileFault", ErrorCode::external, permanent}, Row{"FileLocked", ErrorCode::unavailable, wait_and_retry},
        Row{"FileNotFound", ErrorCode::external, permanent}, Row{"CannotAccessFile", ErrorCode::external, permanent},
        Row{"NoDiskSpace", ErrorCode::exhausted, permanent}, Row{"SnapshotFault", ErrorCode::conflict, permanent},
        Row{"ApplicationQuiesceFault", ErrorCode::conflict, without_quiescing},
        Row{"FilesystemQuiesceFault", ErrorCode::conflict, without_quiescing},
        Row{"SnapshotIncompatibleDeviceInVm", ErrorCode::conflict, permanent},
        Row{"SnapshotLocked", ErrorCode::conflict, permanent}, Row{"SnapshotDisabled", ErrorCode::conflict, permanent},
        Row{"TooManySnapshotLevels", ErrorCode::conflict, permanent},
        Row{"MemorySnapshotOnIndependentDisk", ErrorCode::conflict, permanent},
        Row{"MultipleSnapshotsNotSupported", ErrorCode::conflict, permanent},
        Row{"ToolsUnavailable", ErrorCode::conflict, permanent},
        Row{"HostCommunication", ErrorCode::unavailable, wait_and_retry},
        Row{"HostNotConnected", ErrorCode::unavailable, wait_and_retry},
        Row{"HostNotReachable", ErrorCode::unavailable, wait_and_retry},
        Row{"Timedout", ErrorCode::timeout, wait_and_retry}, Row{"MethodDisabled", ErrorCode::conflict, permanent},
        Row{"NotSupported", ErrorCode::conflict, permanent}, Row{"MethodNotFound", ErrorCode::external, permanent},
        Row{"RequestCanceled", ErrorCode::external, collect_again},
        Row{"InvalidCollectorVersion", ErrorCode::external, collect_again},
        Row{"SomethingNobodyListed", ErrorCode::external, permanent}),
    [](const auto& row) { return std::string(row.param.type); });

TEST(Faults, NameTheMissingPrivilegeAndTheWrongArgument) {
    const auto denied = parse_answer(FakeServer::fault("NoPermission",
                                                       "<object type=\"VirtualMachine\">vm-9</object>"
                                                       "<privilegeId>VirtualMachine.State.CreateSnapshot</privilegeId>")
                                         .body);
    EXPECT_THAT(to_error(*denied.fault, "x").cause(),
                testing::AllOf(testing::HasSubstr("VirtualMachine.State.CreateSnapshot"), testing::HasSubstr("vm-9")));
    const auto argument =
        parse_answer(FakeServer::fault("InvalidArgument", "<invalidProperty>startOffset</invalidProperty>").body);
    EXPECT_THAT(to_error(*argument.fault, "x").cause(), testing::HasSubstr("startOffset"));
}

}  // namespace
}  // namespace mk::vsphere
