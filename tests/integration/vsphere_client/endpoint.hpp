#pragma once
// The server under test, told by the environment:
//   MK_TEST_VCENTER_URL, MK_TEST_VCENTER_USER, MK_TEST_VCENTER_PASSWORD_FILE, MK_TEST_VCENTER_SHA256
//   MK_TEST_VCENTER_KIND     "vcsim" (the unmodified simulator) or "lab"
//   MK_TEST_VCENTER_CONTROL  the lab's control socket
// Without them the tests are skipped.

#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "source/vsphere/session.hpp"
#include "source/vsphere/vsphere.hpp"

namespace mk::vsphere {

class ServerTest : public testing::Test {
  protected:
    void SetUp() override;
    virtual std::string kind() const = 0;

    static Access access();
    static std::shared_ptr<Vcenter> connect() { return Vcenter::connect(access()); }
    /// The parts below the face, for what only they can do on a server without change tracking.
    static std::unique_ptr<Session> open_session();
    static SourceMachine find(Vcenter& vcenter, const std::string& name);
};

/// The error that `action` throws; a test failure when it throws none.
Error error_of(const std::function<void()>& action);

/// The lab's control channel: HTTP over a Unix socket.
class LabControl {
  public:
    static nlohmann::json request(const std::string& method, const std::string& path, const nlohmann::json& body = {});
    static void fault(nlohmann::json parameters) { request("POST", "/fault", parameters); }
    static void write(const std::string& machine, int disk, Bytes offset, const std::string& content);
    static nlohmann::json machine(const std::string& name);
};

class LabTest : public ServerTest {
  protected:
    std::string kind() const override { return "lab"; }
    void SetUp() override;
    void TearDown() override;
};

}  // namespace mk::vsphere
