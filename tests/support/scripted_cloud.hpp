#pragma once
// A CloudStack that answers what a test wrote down, and refuses every parameter that the real one does not know
// (lab/cloudstack/apis.json). Thread-safe as far as tests need it: one caller.

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_fields.hpp"
#include "http/url.hpp"
#include "model/effect_journal.hpp"
#include "target/cloudstack/client.hpp"

namespace mk::test {

using Names = std::map<std::string, std::string>;

/// One request as the server sees it.
struct CloudRequest {
    std::string method;
    std::string command;
    Names parameters;
};

class ScriptedCloud {
  public:
    struct Answer {
        int status = 200;
        Json body;
        bool drop = false;  ///< no answer at all
    };

    /// Answers of one command come in the order in which they were added; the last one stays.
    ScriptedCloud& on(const std::string& command, const Json& content) {
        return add(command, {200, {{command + "response", content}}});
    }
    ScriptedCloud& fail(const std::string& command, int code, const std::string& text) {
        return add(command, {code, {{command + "response", {{"errorcode", code}, {"errortext", text}}}}});
    }
    ScriptedCloud& drop(const std::string& command) { return add(command, {0, {}, true}); }
    ScriptedCloud& job(const std::string& command, const Json& result = Json::object()) {
        on(command, {{"jobid", "job-1"}, {"id", "object-1"}});
        return on("queryAsyncJobResult", {{"jobstatus", 1}, {"jobresult", result}});
    }
    ScriptedCloud& failed_job(const std::string& command, int code, const std::string& text) {
        on(command, {{"jobid", "job-1"}, {"id", "object-1"}});
        return on(
            "queryAsyncJobResult",
            {{"jobstatus", 2}, {"jobresultcode", code}, {"jobresult", {{"errorcode", code}, {"errortext", text}}}});
    }
    ScriptedCloud& lost_job(const std::string& command) {
        on(command, {{"jobid", "job-1"}, {"id", "object-1"}});
        return on("queryAsyncJobResult", {{"jobstatus", 2}, {"jobresultcode", 530}});
    }

    cloudstack::ClientOptions options(EffectJournal* journal = nullptr) {
        using namespace std::chrono_literals;
        cloudstack::ClientOptions made;
        made.transport = [this](const http::Request& request, const std::stop_token&) { return receive(request); };
        made.first_poll = made.poll_pause = made.longest_poll_pause = 1ms;
        made.rate_limit_patience = 5s;
        made.read_retry = {.first_pause = 1ms, .longest_pause = 1ms, .give_up_after = 200ms};
        made.journal = journal;
        return made;
    }
    cloudstack::Client client(EffectJournal* journal = nullptr) {
        return cloudstack::Client(
            {.url = "cloud.example:8080", .api_key = Secret("key"), .secret_key = Secret("secret")}, options(journal));
    }

    std::vector<CloudRequest> requests;
    std::size_t count(const std::string& command) const {
        return static_cast<std::size_t>(
            std::count_if(requests.begin(), requests.end(), [&](const auto& r) { return r.command == command; }));
    }
    const CloudRequest& last(const std::string& command) const {
        const auto found =
            std::find_if(requests.rbegin(), requests.rend(), [&](const auto& r) { return r.command == command; });
        if (found == requests.rend()) {
            throw std::runtime_error("no request for " + command);
        }
        return *found;
    }

    /// One request as it comes over the wire.
    http::Response receive(const http::Request& request) {
        const auto query =
            request.method == "POST" ? "/?" + request.body : request.url.substr(request.url.find('/', 8));
        CloudRequest received{request.method, "", http::parse_target(query)->query};
        received.command = received.parameters.at("command");
        check(received);
        requests.push_back(received);
        auto& script = answers_[received.command];
        if (script.empty()) {
            ADD_FAILURE() << "nothing was written down for " << received.command;
            return {.status = 530,
                    .headers = {},
                    .cookies = {},
                    .body = R"({"errorresponse":{"errorcode":530,"errortext":"unexpected"}})"};
        }
        const auto answer = script.front();
        if (script.size() > 1) {
            script.erase(script.begin());
        }
        if (answer.drop) {
            throw Error(ErrorCode::unavailable, "the connection broke");
        }
        return {.status = answer.status, .headers = {}, .cookies = {}, .body = json::dump(answer.body)};
    }

  private:
    using Metadata = std::map<std::string, std::set<std::string>>;

    static Metadata read_metadata() {
        std::ifstream file(std::string(MK_SOURCE_DIR) + "/lab/cloudstack/apis.json");
        const auto metadata = json::parse(std::string{std::istreambuf_iterator<char>(file), {}});
        Metadata known;
        for (const auto& command : metadata.at("commands")) {
            auto& names = known[command.at("name")];
            names = {"command", "response", "apikey", "signatureversion", "expires", "signature"};
            for (const auto& parameter : command.at("params")) {
                names.insert(parameter.at("name"));
            }
        }
        return known;
    }

    ScriptedCloud& add(const std::string& command, Answer answer) {
        answers_[command].push_back(std::move(answer));
        return *this;
    }

    void check(const CloudRequest& request) const {
        static const Metadata known = read_metadata();
        const auto command = known.find(request.command);
        ASSERT_NE(command, known.end()) << request.command << " is not a command of CloudStack";
        for (const auto& [name, value] : request.parameters) {
            EXPECT_TRUE(command->second.contains(name.substr(0, name.find('['))))
                << request.command << " has no parameter " << name;
        }
        const bool reads = request.command.starts_with("list") || request.command.starts_with("query");
        EXPECT_EQ(request.method, reads ? "GET" : "POST") << request.command;
        auto signed_parameters = request.parameters;
        const auto signature = signed_parameters.extract("signature").mapped();
        EXPECT_EQ(signature,
                  cloudstack::signature_of({signed_parameters.begin(), signed_parameters.end()}, Secret("secret")));
    }

    std::map<std::string, std::vector<Answer>> answers_;
};

}  // namespace mk::test
