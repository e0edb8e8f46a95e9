#include "endpoint.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base64.hpp"
#include "os/file.hpp"
#include "source/vsphere/address.hpp"

namespace mk::vsphere {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::string exchange(const std::string& socket_path, const std::string& request) {
    const os::Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_path.c_str(), sizeof address.sun_path - 1);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
        throw os::system_error("talk to the lab", errno);
    }
    std::string answer;
    std::array<char, 65536> piece{};
    for (ssize_t got = 0; (got = ::recv(socket.get(), piece.data(), piece.size(), 0)) > 0;) {
        answer.append(piece.data(), static_cast<std::size_t>(got));
    }
    return answer;
}

}  // namespace

void ServerTest::SetUp() {
    if (environment("MK_TEST_VCENTER_URL").empty()) {
        GTEST_SKIP() << "MK_TEST_VCENTER_URL is not set; run test_vsphere_client.py";
    }
    if (environment("MK_TEST_VCENTER_KIND") != kind()) {
        GTEST_SKIP() << "this test is for a server of kind " << kind();
    }
}

Access ServerTest::access() {
    Access access;
    access.url = environment("MK_TEST_VCENTER_URL");
    access.username = environment("MK_TEST_VCENTER_USER");
    access.password = os::read_secret_file(environment("MK_TEST_VCENTER_PASSWORD_FILE"));
    access.certificate_sha256 = environment("MK_TEST_VCENTER_SHA256");
    return access;
}

std::unique_ptr<Session> ServerTest::open_session() {
    const auto given = access();
    return std::make_unique<Session>(
        std::make_unique<HttpTransport>(parse_address(given.url),
                                        http::TlsTrust{given.certificate_sha256, given.ca_file}),
        Session::Login{given.username, given.password}, Pacing{}, std::stop_token{});
}

SourceMachine ServerTest::find(Vcenter& vcenter, const std::string& name) {
    const auto machines = vcenter.discover("", {});
    const auto found =
        std::find_if(machines.begin(), machines.end(), [&](const SourceMachine& m) { return m.name == name; });
    if (found == machines.end()) {
        throw Error(ErrorCode::not_found, "no machine " + name);
    }
    return *found;
}

Error error_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "no error was thrown";
    return Error(ErrorCode::internal, "nothing was thrown");
}

nlohmann::json LabControl::request(const std::string& method, const std::string& path, const nlohmann::json& body) {
    const auto text = body.is_null() ? std::string{} : body.dump();
    const auto answer =
        exchange(environment("MK_TEST_VCENTER_CONTROL"),
                 method + " " + path + " HTTP/1.0\r\nHost: lab\r\nContent-Length: " + std::to_string(text.size()) +
                     "\r\n\r\n" + text);
    const auto start = answer.find("\r\n\r\n");
    if (answer.find(" 200 ") == std::string::npos || start == std::string::npos) {
        throw Error(ErrorCode::external, "the lab answers " + answer);
    }
    return nlohmann::json::parse(answer.substr(start + 4));
}

void LabControl::write(const std::string& machine, int disk, Bytes offset, const std::string& content) {
    request("POST", "/op",
            {{"op", "write"},
             {"machine", machine},
             {"disk", disk},
             {"offset", offset},
             {"bytes_base64", base64_encode(content)}});
}

nlohmann::json LabControl::machine(const std::string& name) {
    const auto state = request("GET", "/state");
    for (const auto& machine : state.at("machines")) {
        if (machine.at("name") == name) {
            return machine;
        }
    }
    throw Error(ErrorCode::not_found, "the lab has no machine " + name);
}

void LabTest::SetUp() {
    ServerTest::SetUp();
    if (!IsSkipped()) {
        LabControl::request("DELETE", "/faults");
    }
}

void LabTest::TearDown() {
    if (!IsSkipped()) {
        LabControl::request("DELETE", "/faults");
    }
}

}  // namespace mk::vsphere
