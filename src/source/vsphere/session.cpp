#include "source/vsphere/session.hpp"

#include "base/log.hpp"
#include "base/retry.hpp"
#include "source/vsphere/api_version.hpp"
#include "source/vsphere/requests.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view session_cookie = "vmware_soap_session=";
constexpr std::chrono::milliseconds logout_limit{5'000};

/// "name=value" of the session cookie with its quotes, without attributes.
std::string find_session_cookie(const std::vector<std::string>& cookies) {
    for (const auto& cookie : cookies) {
        if (cookie.starts_with(session_cookie)) {
            return cookie.substr(0, cookie.find(';'));
        }
    }
    return {};
}

/// For statuses that carry no SOAP.
Error status_error(int status, const std::string& operation) {
    const auto cause = operation + ": the server answers HTTP " + std::to_string(status);
    const auto native = "HTTP " + std::to_string(status);
    if (status == 503) {
        return Error(ErrorCode::unavailable, cause,
                     {.remedy = "vCenter is starting or overloaded; wait.", .retry_safe = true})
            .with_native(native);
    }
    if (status == 401 || status == 403) {
        return Error(ErrorCode::forbidden, cause,
                     {.remedy = "Something before vCenter refuses us (a proxy?).", .retry_safe = true})
            .with_native(native);
    }
    return Error(ErrorCode::external, cause,
                 {.remedy = "Check that the address leads to a vCenter or ESXi host.", .retry_safe = true})
        .with_native(native);
}

}  // namespace

Session::Session(std::unique_ptr<Transport> transport, Login login, Pacing pacing, const std::stop_token& stop)
    : transport_(std::move(transport)), login_(std::move(login)), pacing_(pacing) {
    choose_version(stop);
    read_content(stop);
    {
        const std::lock_guard lock(login_mutex_);
        log_in(stop);
    }
    keeper_ = std::jthread([this](const std::stop_token& keeper_stop) { keep_alive(keeper_stop); });
}

Session::~Session() {
    keeper_ = {};
    log_out(cookie());
}

std::string Session::cookie() const {
    const std::lock_guard lock(mutex_);
    return cookie_;
}

std::uint64_t Session::generation() const {
    const std::lock_guard lock(mutex_);
    return generation_;
}

void Session::choose_version(const std::stop_token& stop) {
    const auto response = transport_->versions(stop);
    if (response.status != 200) {
        throw status_error(response.status, "asking for the API versions");
    }
    soap_action_ = "urn:vim25/" + choose_api_version(response.body);
}

void Session::read_content(const std::stop_token& stop) {
    const auto answer = exchange({"asking for the service content", requests::retrieve_service_content()}, {}, stop);
    if (answer.fault) {
        throw to_error(*answer.fault, "asking for the service content");
    }
    const auto result = answer.reply.result();
    content_.root_folder = result.reference("rootFolder");
    content_.property_collector = result.reference("propertyCollector");
    content_.view_manager = result.reference("viewManager");
    content_.session_manager = result.reference("sessionManager");
    content_.full_name = result.text("about.fullName");
    content_.version = result.text("about.version");
    content_.build = result.text("about.build");
    content_.api_type = result.text("about.apiType");
    content_.instance_uuid = result.text("about.instanceUuid");
    if (!content_.property_collector || !content_.session_manager) {
        throw Error(ErrorCode::external, "the server's service content has no session manager");
    }
}

/// With login_mutex_ held. Sent without a cookie: a living session's cookie makes the server answer InvalidLogin.
void Session::log_in(const std::stop_token& stop) {
    if (refused_) {
        throw *refused_;
    }
    const Call call{"logging in as " + login_.username,
                    requests::login(content_.session_manager, login_.username, login_.password)};
    std::vector<std::string> cookies;
    Answer answer;
    // A login may be repeated: at worst it leaves a session that ends by itself.
    retry({pacing_.resend_first, std::chrono::seconds{5}, pacing_.resend_give_up}, stop,
          [&] { answer = send_once(call, {}, stop, &cookies); });
    if (answer.fault) {
        auto error = to_error(*answer.fault, call.operation);
        if (error.code() == ErrorCode::unauthenticated || error.code() == ErrorCode::forbidden) {
            refused_ = error;
        }
        throw error;
    }
    auto cookie = find_session_cookie(cookies);
    if (cookie.empty()) {
        throw Error(ErrorCode::external, call.operation + ": the server gave no session cookie");
    }
    {
        const std::lock_guard lock(mutex_);
        cookie_ = cookie;
        ++generation_;
    }
    if (listener_) {
        listener_(cookie);
    }
}

void Session::log_in_after(std::uint64_t dead_generation, const std::stop_token& stop) {
    const std::lock_guard lock(login_mutex_);
    if (generation() == dead_generation) {
        log::info("vcenter={} the session ended, logging in again", content_.instance_uuid);
        log_in(stop);
    }
}

void Session::renew(const std::stop_token& stop) {
    std::string old_cookie;
    std::uint64_t old_generation = 0;
    {
        const std::lock_guard lock(mutex_);
        old_cookie = cookie_;
        old_generation = generation_;
    }
    log_out(old_cookie);
    log_in_after(old_generation, stop);
}

void Session::on_login(std::function<void(const std::string&)> listener) {
    const std::lock_guard lock(login_mutex_);
    listener_ = std::move(listener);
    if (listener_) {
        listener_(cookie());
    }
}

void Session::log_out(const std::string& cookie) noexcept {
    try {
        const Call call{"logging out", requests::logout(content_.session_manager), false, logout_limit};
        static_cast<void>(send_once(call, cookie, {}));
    } catch (const std::exception& problem) {
        log::debug("vcenter={} logout failed: {}", content_.instance_uuid, problem.what());
    }
}

Reply Session::call(const Call& call, const std::stop_token& stop) {
    auto answer = try_call(call, stop);
    if (answer.fault) {
        throw to_error(*answer.fault, call.operation);
    }
    return std::move(answer.reply);
}

Answer Session::try_call(const Call& call, const std::stop_token& stop) {
    std::string cookie;
    std::uint64_t used = 0;
    {
        const std::lock_guard lock(mutex_);
        cookie = cookie_;
        used = generation_;
    }
    auto answer = exchange(call, cookie, stop);
    if (!answer.fault || rule_for(answer.fault->type).handling != FaultHandling::log_in_again) {
        return answer;
    }
    log_in_after(used, stop);
    return call.idempotent ? exchange(call, this->cookie(), stop) : answer;
}

/// Sends again only what cannot have happened twice: idempotent calls, and others when they never left or met HTTP 503.
Answer Session::exchange(const Call& call, const std::string& cookie, const std::stop_token& stop) {
    Answer answer;
    std::optional<Error> unrepeatable;
    retry({pacing_.resend_first, std::chrono::seconds{5}, pacing_.resend_give_up}, stop, [&] {
        try {
            answer = send_once(call, cookie, stop);
        } catch (const Error& error) {
            if (call.idempotent || error.advice().retry_safe || !error.retryable()) {
                throw;
            }
            unrepeatable = error;
        }
    });
    if (unrepeatable) {
        throw *unrepeatable;
    }
    return answer;
}

Answer Session::send_once(const Call& call, const std::string& cookie, const std::stop_token& stop,
                          std::vector<std::string>* cookies) {
    try {
        auto response = transport_->post(call.envelope, soap_action_, cookie, call.limit, stop);
        if (response.status != 200 && response.status != 500) {
            throw status_error(response.status, call.operation);
        }
        if (cookies != nullptr) {
            *cookies = std::move(response.cookies);
        }
        return parse_answer(response.body);
    } catch (const Error& error) {
        throw error.cause().starts_with(call.operation) ? error : error.within(call.operation);
    }
}

void Session::keep_alive(const std::stop_token& stop) {
    while (pause(pacing_.keep_alive, stop)) {
        try {
            static_cast<void>(call({"keeping the session alive", requests::current_time()}, stop));
        } catch (const Error& error) {
            if (error.code() != ErrorCode::cancelled) {
                log::warn("vcenter={} {}", content_.instance_uuid, error.full_text());
            }
        }
    }
}

}  // namespace mk::vsphere
