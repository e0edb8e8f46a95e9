#include <stdexcept>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "http/server.hpp"

namespace mk::http {
namespace {

std::string only_alice(std::string_view token) {
    if (token == "open-sesame") {
        return "alice";
    }
    throw Error(ErrorCode::unauthenticated, "the token is unknown");
}

ServerRequest a_request(const std::string& method, const std::string& path, const std::string& token = "open-sesame") {
    ServerRequest request;
    request.method = method;
    request.path = path;
    request.request_id = "r-1";
    if (!token.empty()) {
        request.headers["authorization"] = "Bearer " + token;
    }
    return request;
}

ServerResponse say(const std::string& text) {
    return {.status = 200, .content_type = "text/plain", .body = text};
}

Handler says(const std::string& text) {
    return [text](const ServerRequest&) { return say(text); };
}

std::string header(const ServerResponse& response, const std::string& name) {
    for (const auto& [key, value] : response.headers) {
        if (key == name) {
            return value;
        }
    }
    return {};
}

TEST(Router, FillsPathParametersAndPrincipal) {
    Router router(only_alice);
    router.add("GET", "/api/v1/vms/{id}/disks/{disk}", [](const ServerRequest& request) {
        return say(request.params.at("id") + " " + request.params.at("disk") + " " + request.principal);
    });

    EXPECT_EQ(router.handle(a_request("GET", "/api/v1/vms/vm-7/disks/2000")).body, "vm-7 2000 alice");
}

TEST(Router, PrefersFixedSegmentsAndReturnsFromDeadEnds) {
    Router router(only_alice);
    router.add("GET", "/vms/all", says("all"));
    router.add("GET", "/vms/{id}", says("one"));
    router.add("GET", "/vms/{id}/disks", says("disks"));

    EXPECT_EQ(router.handle(a_request("GET", "/vms/all")).body, "all");
    EXPECT_EQ(router.handle(a_request("GET", "/vms/any")).body, "one");
    EXPECT_EQ(router.handle(a_request("GET", "/vms/all/disks")).body, "disks");
}

TEST(Router, LetsEachRouteNameItsParameters) {
    Router router(only_alice);
    router.add("GET", "/x/{first}", [](const ServerRequest& request) { return say(request.params.at("first")); });
    router.add("PUT", "/x/{second}", [](const ServerRequest& request) { return say(request.params.at("second")); });

    EXPECT_EQ(router.handle(a_request("GET", "/x/1")).body, "1");
    EXPECT_EQ(router.handle(a_request("PUT", "/x/2")).body, "2");
}

TEST(Router, KeepsAnEncodedSlashInsideItsSegment) {
    Router router(only_alice);
    router.add("GET", "/names/{name}", [](const ServerRequest& request) { return say(request.params.at("name")); });
    auto request = a_request("GET", "/names/a/b c");
    request.raw_path = "/names/a%2Fb%20c";

    EXPECT_EQ(router.handle(request).body, "a/b c");
}

TEST(Router, TellsUnknownPathsFromUnknownMethods) {
    Router router(only_alice);
    router.add("GET", "/vms", says(""));
    router.add("POST", "/vms", says(""));

    for (const auto* path : {"/", "/vm", "/vms/", "/vms/1", "//vms"}) {
        EXPECT_EQ(router.handle(a_request("GET", path)).status, 404) << path;
    }
    const auto refused = router.handle(a_request("DELETE", "/vms"));
    EXPECT_EQ(refused.status, 405);
    EXPECT_EQ(header(refused, "Allow"), "GET, POST");
    EXPECT_EQ(json::parse(refused.body).at("status"), 405);
}

TEST(Router, DoesNotMatchAnEmptyParameter) {
    Router router(only_alice);
    router.add("GET", "/vms/{id}", says(""));

    EXPECT_EQ(router.handle(a_request("GET", "/vms/")).status, 404);
}

TEST(Router, AnswersHeadLikeGet) {
    Router router(only_alice);
    router.add("GET", "/vms", says("list"));

    EXPECT_EQ(router.handle(a_request("HEAD", "/vms")).status, 200);
}

TEST(Router, TellsNothingWithoutAValidToken) {
    Router router(only_alice);
    router.add("GET", "/vms", says("secret"));

    for (const auto* path : {"/vms", "/unknown"}) {
        for (const auto* method : {"GET", "DELETE"}) {
            for (const auto* token : {"", "wrong", " "}) {
                const auto refused = router.handle(a_request(method, path, token));
                EXPECT_EQ(refused.status, 401) << method << " " << path << " '" << token << "'";
                EXPECT_EQ(header(refused, "WWW-Authenticate"), "Bearer realm=\"migratekit\"");
                EXPECT_EQ(refused.content_type, "application/problem+json");
            }
        }
    }
}

TEST(Router, AcceptsOnlyTheBearerScheme) {
    Router router(only_alice);
    router.add("GET", "/vms", says("secret"));
    auto request = a_request("GET", "/vms", "");

    for (const auto* value : {"Basic open-sesame", "open-sesame", "Bearer", "Bearer "}) {
        request.headers["authorization"] = value;
        EXPECT_EQ(router.handle(request).status, 401) << value;
    }
    request.headers["authorization"] = "bearer open-sesame";
    EXPECT_EQ(router.handle(request).status, 200);
}

TEST(Router, OpensARouteForItsMethodOnly) {
    Router router(only_alice);
    router.add("GET", "/health", says("fine"), true);

    EXPECT_EQ(router.handle(a_request("GET", "/health", "")).body, "fine");
    EXPECT_EQ(router.handle(a_request("POST", "/health", "")).status, 401);
}

TEST(Router, ReportsThatTokensCannotBeChecked) {
    Router router([](std::string_view) -> std::string { throw Error(ErrorCode::unavailable, "the database is away"); });
    router.add("GET", "/vms", says("secret"));

    EXPECT_EQ(router.handle(a_request("GET", "/vms")).status, 503);
}

TEST(Router, RefusesToExistWithoutAuthentication) {
    EXPECT_THROW(Router{nullptr}, Error);
}

TEST(Router, TurnsAnErrorIntoAProblemWithAdvice) {
    Router router(only_alice);
    router.add("POST", "/vms", [](const ServerRequest&) -> ServerResponse {
        throw Error(ErrorCode::conflict, "the machine is managed already",
                    {.consequence = "Nothing was changed.", .remedy = "Choose another.", .retry_safe = true})
            .with_native("E17");
    });

    const auto refused = router.handle(a_request("POST", "/vms"));

    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(refused.content_type, "application/problem+json");
    const auto document = json::parse(refused.body);
    EXPECT_EQ(document.at("status"), 409);
    EXPECT_EQ(document.at("code"), "conflict");
    EXPECT_EQ(document.at("detail"), "the machine is managed already");
    EXPECT_EQ(document.at("consequence"), "Nothing was changed.");
    EXPECT_EQ(document.at("remedy"), "Choose another.");
    EXPECT_EQ(document.at("retry_safe"), true);
    EXPECT_EQ(document.at("request_id"), "r-1");
    EXPECT_EQ(document.at("native"), "E17");
    EXPECT_FALSE(document.at("type").get<std::string>().empty());
    EXPECT_FALSE(document.at("title").get<std::string>().empty());
}

TEST(Router, HidesTheTextOfForeignExceptions) {
    Router router(only_alice);
    router.add("GET", "/std",
               [](const ServerRequest&) -> ServerResponse { throw std::runtime_error("password=hunter2"); });
    router.add("GET", "/odd", [](const ServerRequest&) -> ServerResponse { throw 42; });

    for (const auto* path : {"/std", "/odd"}) {
        const auto refused = router.handle(a_request("GET", path));
        EXPECT_EQ(refused.status, 500);
        EXPECT_EQ(refused.body.find("hunter2"), std::string::npos);
        EXPECT_EQ(json::parse(refused.body).at("code"), "internal");
    }
}

TEST(Router, RefusesTheSameRouteTwice) {
    Router router(only_alice);
    router.add("GET", "/vms/{id}", says(""));

    EXPECT_THROW(router.add("GET", "/vms/{other}", says("")), Error);
}

TEST(Router, ListsItsRoutesSorted) {
    Router router(only_alice);
    router.add("POST", "/vms", says(""));
    router.add("GET", "/vms/{id}", says(""));
    router.add("GET", "/vms", says(""));

    EXPECT_EQ(router.routes(), (std::vector<std::string>{"GET /vms", "GET /vms/{id}", "POST /vms"}));
}

TEST(ServerRequest, ReadsAJsonObjectAndNothingElse) {
    ServerRequest request;
    request.body = R"({"name":"web"})";
    EXPECT_EQ(request.json().at("name"), "web");

    for (const auto* body : {"", "[1]", "7", "null", "{", "{\"a\":1} x"}) {
        request.body = body;
        try {
            static_cast<void>(request.json());
            ADD_FAILURE() << "accepted: " << body;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::invalid) << body;
        }
    }
}

TEST(HttpStatus, ExistsForEveryErrorCode) {
    const std::map<ErrorCode, int> expected = {
        {ErrorCode::invalid, 400},   {ErrorCode::not_found, 404},   {ErrorCode::conflict, 409},
        {ErrorCode::forbidden, 403}, {ErrorCode::unavailable, 503}, {ErrorCode::unauthenticated, 401},
        {ErrorCode::timeout, 504},   {ErrorCode::cancelled, 409},   {ErrorCode::exhausted, 507},
        {ErrorCode::corrupt, 500},   {ErrorCode::external, 502},    {ErrorCode::internal, 500}};
    for (const auto& [code, status] : expected) {
        EXPECT_EQ(http_status(code), status) << to_string(code);
        EXPECT_EQ(problem(Error(code, "why"), "r").status, status);
    }
}

}  // namespace
}  // namespace mk::http
