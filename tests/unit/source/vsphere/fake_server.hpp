#pragma once
// A vCenter of answers: each SOAP method has a queue of replies, the last of which stays. Requests are recorded in
// order.

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "source/vsphere/session.hpp"

namespace mk::vsphere {

struct FakeServer {
    struct Request {
        std::string method;
        std::string body;
        std::string cookie;
        std::string soap_action;
    };
    using Action = std::function<http::Response(const Request&)>;

    static std::string envelope(const std::string& content) {
        return R"(<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" )"
               R"(xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>)" +
               content + "</soapenv:Body></soapenv:Envelope>";
    }
    static http::Response response(int status, std::string body) {
        http::Response answer;
        answer.status = status;
        answer.body = std::move(body);
        return answer;
    }
    static http::Response fault(const std::string& type, const std::string& fields = {},
                                const std::string& text = "words") {
        return response(500, envelope("<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>" + text +
                                      "</faultstring><detail><" + type + "Fault xmlns=\"urn:vim25\" xsi:type=\"" +
                                      type + "\">" + fields + "</" + type + "Fault></detail></soapenv:Fault>"));
    }
    static http::Response returnval(const std::string& method, const std::string& content) {
        return response(
            200, envelope("<" + method + "Response xmlns=\"urn:vim25\">" + content + "</" + method + "Response>"));
    }
    /// RetrievePropertiesEx of one object: pairs of path and <val>.
    static http::Response properties(const std::string& type, const std::string& id,
                                     const std::vector<std::pair<std::string, std::string>>& values) {
        std::string content = "<returnval><objects><obj type=\"" + type + "\">" + id + "</obj>";
        for (const auto& [path, value] : values) {
            content += "<propSet><name>" + path + "</name>" + value + "</propSet>";
        }
        return returnval("RetrievePropertiesEx", content + "</objects></returnval>");
    }

    void on(const std::string& method, Action action) { actions[method].push_back(std::move(action)); }
    void on(const std::string& method, http::Response answer) {
        on(method, [answer = std::move(answer)](const Request&) { return answer; });
    }
    /// Forgets what was said about the method before.
    void only(const std::string& method, Action action) {
        actions[method].clear();
        on(method, std::move(action));
    }
    std::size_t count(const std::string& method) const {
        return static_cast<std::size_t>(std::count_if(
            requests.begin(), requests.end(), [&](const Request& request) { return request.method == method; }));
    }

    http::Response answer(const Request& request) {
        requests.push_back(request);
        auto& queue = actions[request.method];
        if (queue.empty()) {
            ADD_FAILURE() << "unexpected call " << request.method;
            return fault("MethodNotFound");
        }
        const auto action = queue.front();
        if (queue.size() > 1) {
            queue.pop_front();
        }
        return action(request);
    }

    /// What every session needs.
    FakeServer() {
        on("RetrieveServiceContent",
           returnval("RetrieveServiceContent",
                     "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>"
                     "<propertyCollector type=\"PropertyCollector\">pc</propertyCollector>"
                     "<viewManager type=\"ViewManager\">vm</viewManager><about><fullName>VMware vCenter Server "
                     "8.0.2</fullName>"
                     "<version>8.0.2</version><build>1</build><apiType>VirtualCenter</apiType>"
                     "<instanceUuid>uuid-1</instanceUuid></about><sessionManager "
                     "type=\"SessionManager\">sm</sessionManager></returnval>"));
        on("Login", [this](const Request&) {
            auto answer = returnval("Login", "<returnval><key>k</key></returnval>");
            answer.cookies = {"other=1; path=/",
                              "vmware_soap_session=\"s" + std::to_string(++logins) + "\"; Path=/; Secure; HttpOnly"};
            return answer;
        });
        on("Logout", returnval("Logout", ""));
        on("CurrentTime", returnval("CurrentTime", "<returnval>2026-01-01T00:00:00Z</returnval>"));
    }

    std::string versions =
        "<namespaces version=\"1.0\"><namespace><name>urn:vim25</name><version>8.0.2.0</version><priorVersions>"
        "<version>8.0.1.0</version><version>7.0</version><version>6.7</version></priorVersions></namespace></"
        "namespaces>";
    int logins = 0;
    std::map<std::string, std::deque<Action>> actions;
    std::vector<Request> requests;
    std::mutex mutex;
};

class FakeTransport : public Transport {
  public:
    explicit FakeTransport(std::shared_ptr<FakeServer> server) : server_(std::move(server)) {}
    http::Response versions(const std::stop_token&) override { return FakeServer::response(200, server_->versions); }
    http::Response post(const std::string& envelope, const std::string& soap_action, const std::string& cookie,
                        std::chrono::milliseconds, const std::stop_token&) override {
        const auto start = envelope.find("<Body><") + 7;
        const auto method = envelope.substr(start, envelope.find_first_of(" >", start) - start);
        const std::lock_guard lock(server_->mutex);
        return server_->answer({method, envelope, cookie, soap_action});
    }
    PeerCertificate certificate() const override { return {}; }

  private:
    std::shared_ptr<FakeServer> server_;
};

inline Pacing quick() {
    using std::chrono::milliseconds;
    Pacing pacing;
    pacing.task_first = pacing.task_longest = pacing.busy_first = pacing.busy_longest = milliseconds{1};
    pacing.resend_first = pacing.reader_first = pacing.consolidation_poll = milliseconds{1};
    pacing.busy_attempts = 4;
    return pacing;
}

inline std::unique_ptr<Session> open_session(const std::shared_ptr<FakeServer>& server) {
    return std::make_unique<Session>(std::make_unique<FakeTransport>(server), Session::Login{"user", Secret("p&w")},
                                     quick(), std::stop_token{});
}

inline Error error_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "no error was thrown";
    return Error(ErrorCode::internal, "nothing was thrown");
}

}  // namespace mk::vsphere
