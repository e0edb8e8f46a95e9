// The order of elements decides: a real server takes a wrong one for a missing parameter.
#include "source/vsphere/requests.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "source/vsphere/method_writer.hpp"

namespace mk::vsphere {
namespace {

const Moref vm{"VirtualMachine", "vm-36"};

std::string in_envelope(const std::string& body) {
    return R"(<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" )"
           R"(xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><Body>)" +
           body + "</Body></Envelope>";
}

TEST(Requests, LoginEscapesWhatAnAdministratorTypes) {
    EXPECT_EQ(requests::login({"SessionManager", "SM"}, "DOM\\u&1", Secret("<a>\"b\"'")),
              in_envelope(
                  R"(<Login xmlns="urn:vim25"><_this type="SessionManager">SM</_this><userName>DOM\u&amp;1</userName>)"
                  R"(<password>&lt;a&gt;&quot;b&quot;'</password><locale>en_US</locale></Login>)"));
}

TEST(Requests, AControlCharacterIsRefusedWithoutRepeatingTheText) {
    try {
        requests::login({"SessionManager", "SM"}, "u", Secret("sec\x01ret"));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid);
        EXPECT_EQ(error.full_text().find("sec"), std::string::npos);
    }
}

TEST(Requests, ContainerViewListsTypesBeforeRecursive) {
    EXPECT_EQ(requests::create_container_view({"ViewManager", "VM"}, {"Folder", "root"}, {"VirtualMachine", "Folder"}),
              in_envelope(R"(<CreateContainerView xmlns="urn:vim25"><_this type="ViewManager">VM</_this>)"
                          R"(<container type="Folder">root</container><type>VirtualMachine</type><type>Folder</type>)"
                          R"(<recursive>true</recursive></CreateContainerView>)"));
}

TEST(Requests, ViewIsReadThroughATraversalWithInheritedFieldsFirst) {
    EXPECT_EQ(
        requests::retrieve_view({"PropertyCollector", "PC"}, {"ContainerView", "view"},
                                {{"VirtualMachine", {"name", "parent"}}}, 100),
        in_envelope(
            R"(<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">PC</_this><specSet>)"
            R"(<propSet><type>VirtualMachine</type><all>false</all><pathSet>name</pathSet><pathSet>parent</pathSet></propSet>)"
            R"(<objectSet><obj type="ContainerView">view</obj><skip>true</skip>)"
            R"(<selectSet xsi:type="TraversalSpec"><name>v</name><type>ContainerView</type><path>view</path>)"
            R"(<skip>false</skip></selectSet></objectSet></specSet><options><maxObjects>100</maxObjects></options>)"
            R"(</RetrievePropertiesEx>)"));
}

TEST(Requests, OneObjectNeedsNoTraversal) {
    EXPECT_EQ(
        requests::retrieve_objects({"PropertyCollector", "PC"}, {vm}, {{"VirtualMachine", {"name"}}}),
        in_envelope(R"(<RetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">PC</_this><specSet>)"
                    R"(<propSet><type>VirtualMachine</type><all>false</all><pathSet>name</pathSet></propSet>)"
                    R"(<objectSet><obj type="VirtualMachine">vm-36</obj></objectSet></specSet><options></options>)"
                    R"(</RetrievePropertiesEx>)"));
}

TEST(Requests, SnapshotsAreCreatedWithoutMemoryAndRemovedWithoutChildren) {
    EXPECT_EQ(
        requests::create_snapshot(vm, "n", "d", true),
        in_envelope(
            R"(<CreateSnapshot_Task xmlns="urn:vim25"><_this type="VirtualMachine">vm-36</_this><name>n</name>)"
            R"(<description>d</description><memory>false</memory><quiesce>true</quiesce></CreateSnapshot_Task>)"));
    EXPECT_EQ(
        requests::remove_snapshot({"VirtualMachineSnapshot", "snapshot-1"}),
        in_envelope(R"(<RemoveSnapshot_Task xmlns="urn:vim25"><_this type="VirtualMachineSnapshot">snapshot-1</_this>)"
                    R"(<removeChildren>false</removeChildren><consolidate>true</consolidate></RemoveSnapshot_Task>)"));
}

TEST(Requests, ChangedAreasAreAskedInSchemaOrder) {
    EXPECT_EQ(
        requests::query_changed_areas(vm, {"VirtualMachineSnapshot", "snapshot-1"}, 2000, 5368709120ULL, "52 3c/7"),
        in_envelope(R"(<QueryChangedDiskAreas xmlns="urn:vim25"><_this type="VirtualMachine">vm-36</_this>)"
                    R"(<snapshot type="VirtualMachineSnapshot">snapshot-1</snapshot><deviceKey>2000</deviceKey>)"
                    R"(<startOffset>5368709120</startOffset><changeId>52 3c/7</changeId></QueryChangedDiskAreas>)"));
}

TEST(Requests, TheRestNamesItsObjectAndNothingElse) {
    EXPECT_EQ(requests::enable_change_tracking(vm),
              in_envelope(R"(<ReconfigVM_Task xmlns="urn:vim25"><_this type="VirtualMachine">vm-36</_this><spec>)"
                          R"(<changeTrackingEnabled>true</changeTrackingEnabled></spec></ReconfigVM_Task>)"));
    const std::vector<std::pair<std::string, std::string>> plain{
        {requests::consolidate_disks(vm), "ConsolidateVMDisks_Task"},
        {requests::power_on(vm), "PowerOnVM_Task"},
        {requests::power_off(vm), "PowerOffVM_Task"},
        {requests::shutdown_guest(vm), "ShutdownGuest"}};
    for (const auto& [request, method] : plain) {
        EXPECT_EQ(request,
                  in_envelope("<" + method + R"( xmlns="urn:vim25"><_this type="VirtualMachine">vm-36</_this></)" +
                              method + ">"));
    }
    EXPECT_EQ(
        requests::continue_retrieve({"PropertyCollector", "PC"}, "1<"),
        in_envelope(R"(<ContinueRetrievePropertiesEx xmlns="urn:vim25"><_this type="PropertyCollector">PC</_this>)"
                    R"(<token>1&lt;</token></ContinueRetrievePropertiesEx>)"));
}

}  // namespace
}  // namespace mk::vsphere
