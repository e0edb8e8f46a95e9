#include "http/client.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <system_error>

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.hpp"
#include "http/exchange.hpp"
#include "http/header_text.hpp"
#include "http/tls_verifier.hpp"
#include "http/transport_error.hpp"
#include "http/url.hpp"

namespace mk::http {
namespace {

// A peer that does not even finish the TLS handshake in this time is as good as absent.
constexpr std::chrono::milliseconds connect_limit{10'000};
// A peer that vanished without a word is noticed by these probes, however generous the limit of the call; one that only
// takes its time (deleteVolume of CloudStack, an inspection of disks) is not.
constexpr long probe_after_seconds = 30;
constexpr long probe_every_seconds = 15;
// Our servers close idle connections after 60 s; reusing one that is about to be closed would lose the request.
constexpr long longest_idle_seconds = 50;
// Only how often the loop looks without cause: stop requests and traffic wake it.
constexpr int poll_ms = 1000;

// CURL, CURLM and CURLSH are all void to C++: each handle needs its own deleter.
struct EasyDeleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiDeleter {
    void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ShareDeleter {
    void operator()(CURLSH* share) const { curl_share_cleanup(share); }
};
struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListDeleter>;

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
    const auto code = curl_easy_setopt(easy, option, value);
    if (code != CURLE_OK) {
        throw Error(ErrorCode::internal, std::string("libcurl refuses an option: ") + curl_easy_strerror(code));
    }
}

void initialise_curl_once() {
    static const auto result = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (result != CURLE_OK) {
        throw Error(ErrorCode::internal, std::string("libcurl cannot start: ") + curl_easy_strerror(result));
    }
}

void append(HeaderList& list, const std::string& line) {
    auto* longer = curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr) {
        throw Error(ErrorCode::exhausted, "out of memory");
    }
    static_cast<void>(list.release());
    list.reset(longer);
}

void refuse_line_breaks(const std::string& text) {
    if (has_line_break(text)) {
        throw Error(ErrorCode::invalid, "a header of the request contains a line break");
    }
}

HeaderList header_list(const Request& request) {
    HeaderList list;
    for (const auto& [name, value] : request.headers) {
        refuse_line_breaks(name);
        refuse_line_breaks(value);
        if (lower_case(name) == "cookie" && value.empty()) {
            continue;
        }
        append(list, value.empty() ? name + ";" : name + ": " + value);
    }
    append(list, "Expect:");  // libcurl would wait a second for "100 Continue" before every large body
    return list;
}

std::string peer_name(const Request& request) {
    return request.unix_socket.empty() ? peer_of(request.url) : "the socket " + request.unix_socket;
}

bool brings_cookies(const Request& request) {
    return std::any_of(request.headers.begin(), request.headers.end(),
                       [](const auto& header) { return lower_case(header.first) == "cookie"; });
}

/// Loopback never goes through a proxy of the environment, whatever no_proxy says.
std::string no_proxy_list() {
    std::string list = "localhost,127.0.0.0/8,::1";
    for (const char* name : {"no_proxy", "NO_PROXY"}) {
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
            return std::string(value) == "*" ? "*" : list + "," + value;
        }
    }
    return list;
}

/// libcurl opens sockets without it, and a child process must not inherit them.
int on_socket(void*, curl_socket_t socket, curlsocktype) noexcept {
    return fcntl(socket, F_SETFD, FD_CLOEXEC) == 0 ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

CURLcode on_ssl_context(CURL*, void* ssl_ctx, void* verifier) noexcept {
    static_cast<TlsVerifier*>(verifier)->install(ssl_ctx);
    return CURLE_OK;
}

}  // namespace

struct Client::Impl {
    Impl(TlsVerifier verifier_in, std::string ca_file_in);

    Response send(const Request& request, const std::stop_token& stop);
    std::string look_at_certificate(const std::string& url, std::chrono::milliseconds limit);

    void reset();
    void set_common(const std::string& url, std::chrono::milliseconds limit);
    void set_unix_socket(const std::string& path);
    void set_tls();
    void set_method(Exchange& exchange);
    CURLcode perform(const std::stop_token& stop);
    bool was_sent() const;
    std::string words_of(const Request& request, CURLcode code) const;

    TlsVerifier verifier;
    std::string ca_file;
    std::array<char, CURL_ERROR_SIZE> words{};
    // Destroyed in reverse: the easy handle leaves before the cookies and the connections it uses.
    std::unique_ptr<CURLM, MultiDeleter> multi;
    std::unique_ptr<CURLSH, ShareDeleter> cookies;
    std::unique_ptr<CURL, EasyDeleter> easy;
};

Client::Impl::Impl(TlsVerifier verifier_in, std::string ca_file_in)
    : verifier(std::move(verifier_in)), ca_file(std::move(ca_file_in)) {
    initialise_curl_once();
    multi.reset(curl_multi_init());
    cookies.reset(curl_share_init());
    easy.reset(curl_easy_init());
    if (!multi || !cookies || !easy ||
        curl_share_setopt(cookies.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) != CURLSHE_OK) {
        throw Error(ErrorCode::exhausted, "libcurl cannot start: out of memory");
    }
}

void Client::Impl::reset() {
    // libcurl 7.88 forgets to free the list of cookie files when it resets a handle; the cookies themselves are shared.
    set(easy.get(), CURLOPT_COOKIEFILE, static_cast<const char*>(nullptr));
    curl_easy_reset(easy.get());
}

void Client::Impl::set_common(const std::string& url, std::chrono::milliseconds limit) {
    auto* handle = easy.get();
    reset();
    words.fill('\0');
    verifier.begin_call();
    const auto limit_ms = static_cast<long>(std::max<std::int64_t>(limit.count(), 1));
    set(handle, CURLOPT_ERRORBUFFER, words.data());
    set(handle, CURLOPT_URL, url.c_str());
    set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(handle, CURLOPT_NOSIGNAL, 1L);
    set(handle, CURLOPT_FOLLOWLOCATION, 0L);
    set(handle, CURLOPT_NOPROXY, no_proxy_list().c_str());
    set(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(handle, CURLOPT_SOCKOPTFUNCTION, &on_socket);
    set(handle, CURLOPT_TIMEOUT_MS, limit_ms);
    set(handle, CURLOPT_CONNECTTIMEOUT_MS, std::min<long>(limit_ms, connect_limit.count()));
    set(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    set(handle, CURLOPT_TCP_KEEPIDLE, probe_after_seconds);
    set(handle, CURLOPT_TCP_KEEPINTVL, probe_every_seconds);
    set(handle, CURLOPT_MAXAGE_CONN, longest_idle_seconds);
    set(handle, CURLOPT_QUICK_EXIT, 1L);  // else a hanging name lookup holds a stopped call until the resolver gives up
    set_tls();
}

void Client::Impl::set_unix_socket(const std::string& path) {
    if (path.empty()) {
        return;
    }
    if (path.size() >= sizeof(sockaddr_un::sun_path) || path.find('\0') != std::string::npos) {
        throw Error(ErrorCode::invalid, "the path of the socket " + path + " is longer than the system allows",
                    {.remedy = "Use a folder with a shorter path.", .retry_safe = true});
    }
    set(easy.get(), CURLOPT_UNIX_SOCKET_PATH, path.c_str());
    set(easy.get(), CURLOPT_NOPROXY, "*");
}

void Client::Impl::set_tls() {
    auto* handle = easy.get();
    const bool checks_authority = verifier.mode() == TlsVerifier::Mode::authority;
    set(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(handle, CURLOPT_SSL_VERIFYPEER, 1L);
    set(handle, CURLOPT_SSL_VERIFYHOST, checks_authority ? 2L : 0L);
    set(handle, CURLOPT_SSL_CTX_FUNCTION, &on_ssl_context);
    set(handle, CURLOPT_SSL_CTX_DATA, static_cast<void*>(&verifier));
    if (!checks_authority) {  // the pin decides alone; the system's bundle need not even exist
        set(handle, CURLOPT_CAINFO, static_cast<const char*>(nullptr));
        set(handle, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    } else if (!ca_file.empty()) {
        set(handle, CURLOPT_CAINFO, ca_file.c_str());
        set(handle, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
}

void Client::Impl::set_method(Exchange& exchange) {
    auto* handle = easy.get();
    const auto& request = exchange.request;
    refuse_line_breaks(request.method);
    const bool has_body = !request.body.empty();
    if (request.method == "HEAD") {
        set(handle, CURLOPT_NOBODY, 1L);
    } else if (has_body || request.method == "POST") {
        // A read callback that cannot rewind, rather than POSTFIELDS: libcurl then reports a broken reused connection
        // instead of sending the request a second time, which for a POST could do everything twice.
        set(handle, CURLOPT_POST, 1L);
        set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        set(handle, CURLOPT_READFUNCTION, &Exchange::on_read_request_body);
        set(handle, CURLOPT_READDATA, static_cast<void*>(&exchange));
        set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    } else if (request.method != "GET") {
        set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    // Without a body there is nothing to rewind: only a fresh connection makes sure that it is sent once.
    const bool is_repeatable = request.method != "POST" && request.method != "PATCH";
    if (request.send_once || (!is_repeatable && !has_body)) {
        set(handle, CURLOPT_FRESH_CONNECT, 1L);
    }
}

bool Client::Impl::was_sent() const {
    curl_off_t before_transfer_us = 0;
    return curl_easy_getinfo(easy.get(), CURLINFO_PRETRANSFER_TIME_T, &before_transfer_us) == CURLE_OK &&
           before_transfer_us > 0;
}

CURLcode Client::Impl::perform(const std::stop_token& stop) {
    struct Membership {
        CURLM* multi;
        CURL* easy;
        ~Membership() { curl_multi_remove_handle(multi, easy); }
    };
    if (const auto code = curl_multi_add_handle(multi.get(), easy.get()); code != CURLM_OK) {
        throw Error(ErrorCode::internal, std::string("libcurl: ") + curl_multi_strerror(code));
    }
    const Membership membership{multi.get(), easy.get()};
    const std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi.get()); });
    while (!stop.stop_requested()) {
        int running = 0;
        auto code = curl_multi_perform(multi.get(), &running);
        int left = 0;
        while (const auto* message = curl_multi_info_read(multi.get(), &left)) {
            if (message->msg == CURLMSG_DONE) {
                return message->data.result;
            }
        }
        if (code == CURLM_OK) {
            code = curl_multi_poll(multi.get(), nullptr, 0, poll_ms, nullptr);
        }
        if (code != CURLM_OK) {
            throw Error(ErrorCode::internal, std::string("libcurl: ") + curl_multi_strerror(code));
        }
    }
    return CURLE_ABORTED_BY_CALLBACK;
}

/// libcurl's own; but of a socket that refuses it names the host and port of the URL, which have nothing to do with it.
std::string Client::Impl::words_of(const Request& request, CURLcode code) const {
    long number = 0;
    if (request.unix_socket.empty() || code != CURLE_COULDNT_CONNECT ||
        curl_easy_getinfo(easy.get(), CURLINFO_OS_ERRNO, &number) != CURLE_OK || number == 0) {
        return words.data();
    }
    return std::generic_category().message(static_cast<int>(number));
}

Response Client::Impl::send(const Request& request, const std::stop_token& stop) {
    auto* handle = easy.get();
    Exchange exchange(request);
    set_common(request.url, request.limit);
    set_unix_socket(request.unix_socket);
    set_method(exchange);
    const auto headers = header_list(request);
    set(handle, CURLOPT_HTTPHEADER, headers.get());
    if (brings_cookies(request)) {
        set(handle, CURLOPT_SHARE, static_cast<CURLSH*>(nullptr));
    } else {
        set(handle, CURLOPT_SHARE, cookies.get());
        set(handle, CURLOPT_COOKIEFILE, "");  // no file: only switches the cookie engine on
    }
    set(handle, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
    set(handle, CURLOPT_WRITEDATA, static_cast<void*>(&exchange));
    set(handle, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
    set(handle, CURLOPT_HEADERDATA, static_cast<void*>(&exchange));
    const auto code = perform(stop);
    if (exchange.is_too_large) {
        throw Error(ErrorCode::external,
                    "the answer of " + peer_name(request) + " is larger than " + format_bytes(request.body_limit));
    }
    if (code != CURLE_OK) {
        throw transport_error(code, peer_name(request), words_of(request, code), was_sent(), verifier);
    }
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    exchange.response.status = static_cast<int>(status);
    return std::move(exchange.response);
}

std::string Client::Impl::look_at_certificate(const std::string& url, std::chrono::milliseconds limit) {
    set_common(url, limit);
    set(easy.get(), CURLOPT_CONNECT_ONLY, 1L);
    const auto code = perform({});
    if (verifier.sha256().empty()) {
        const auto why = code == CURLE_OK ? std::string("it shows no certificate") : std::string(words.data());
        throw Error(
            ErrorCode::unavailable,
            "the certificate of " + peer_of(url) + " cannot be seen: " + (why.empty() ? curl_easy_strerror(code) : why),
            {.remedy = "Check address and port, and that the peer speaks TLS there.", .retry_safe = true});
    }
    return verifier.sha256();
}

Client::Client(TlsTrust trust) : impl_(std::make_unique<Impl>(TlsVerifier(trust), trust.ca_file)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Response Client::send(const Request& request, const std::stop_token& stop) {
    return impl_->send(request, stop);
}

void Client::forget_cookies() {
    auto* handle = impl_->easy.get();
    impl_->reset();
    set(handle, CURLOPT_SHARE, impl_->cookies.get());
    set(handle, CURLOPT_COOKIELIST, "ALL");
}

const std::string& Client::peer_certificate_sha256() const {
    return impl_->verifier.sha256();
}
const std::string& Client::peer_certificate_sha1() const {
    return impl_->verifier.sha1();
}
const std::string& Client::peer_certificate_pem() const {
    return impl_->verifier.pem();
}

std::string fetch_certificate_sha256(const std::string& url, std::chrono::milliseconds limit) {
    if (lower_case(url.substr(0, 8)) != "https://") {
        throw Error(ErrorCode::invalid, "the address of " + peer_of(url) + " is not https: it has no certificate");
    }
    return Client::Impl(TlsVerifier::for_looking(), {}).look_at_certificate(url, limit);
}

}  // namespace mk::http
