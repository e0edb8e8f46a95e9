#include "tunnel/tls_stream.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/error.hpp"
#include "tunnel/openssl_error.hpp"
#include "tunnel/tls_session.hpp"
#include "tunnel/tls_wire.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// The largest record of TLS.
constexpr std::size_t record = 16 * KiB;
/// A good-bye is a courtesy; nobody waits long for it.
constexpr milliseconds farewell_limit{200};

Error cut(const std::string& reason) {
    return Error(ErrorCode::unavailable, "the encrypted connection was cut: " + reason, {.retry_safe = true});
}

Error unknown_peer(const std::string& reason) {
    return Error(ErrorCode::forbidden, "the peer is not who was paired: " + reason,
                 {.consequence = "Nothing was sent to it.",
                  .remedy = "Check the address and the clocks of both appliances, and pair them again if need be."})
        .with_native("UnknownPeer");
}

Error refused(const std::string& reason) {
    return Error(
               ErrorCode::forbidden, "the peer refuses us: " + reason,
               {.remedy = "Pair the appliances again if this one is to be trusted; check that both clocks are right."})
        .with_native("Refused");
}

class Stream final : public TlsStream {
  public:
    Stream(std::unique_ptr<os::ByteStream> lower, const TlsOptions& options, bool is_accepting)
        : options_(options), wire_(std::move(lower)), session_(options_, is_accepting) {
        BIO* const bio = wire_.make_bio();
        SSL_set_bio(session_.get(), bio, bio);
        gathered_.reserve(record);
    }

    ~Stream() override {
        try {
            say_good_bye();
        } catch (const std::exception&) {
            // The connection ends anyway; the peer sees that it was cut.
        }
    }

    void handshake();

    void write(std::span<const std::span<const std::byte>> pieces) override;
    std::size_t read_some(std::span<std::byte> buffer) override { return read(buffer, true).value_or(0); }
    std::optional<std::size_t> read_now(std::span<std::byte> buffer) override { return read(buffer, false); }
    void set_limit(milliseconds limit) override { wire_.set_limit(limit); }
    void set_deadline(std::optional<steady_clock::time_point> deadline) override { wire_.set_deadline(deadline); }
    void shut_down() noexcept override { wire_.lower().shut_down(); }
    std::chrono::nanoseconds write_wait() const override { return wire_.lower().write_wait(); }

    const std::string& protocol() const override { return protocol_; }
    const std::string& peer_fingerprint() const override { return session_.peer_fingerprint(); }
    bool has_input() const override { return wire_.has_input() || SSL_pending(session_.get()) > 0; }
    void finish_writing() override {
        say_good_bye();
        has_finished_ = true;
    }

  private:
    std::optional<std::size_t> read(std::span<std::byte> buffer, bool is_blocking);
    void encrypt(std::span<const std::byte> data);
    void say_good_bye();
    Error handshake_failure();
    /// What ended a call; the queue of OpenSSL is emptied.
    Error failure(int result);

    const TlsOptions options_;
    TlsWire wire_;
    TlsSession session_;
    std::string protocol_;
    std::vector<std::byte> gathered_;  ///< small pieces on their way into one record
    Bytes sent_with_key_ = 0;
    bool is_established_ = false;
    bool has_failed_ = false;
    bool has_finished_ = false;
};

/// The peer's alert when something failed in its own house (RFC 8446, 6.2).
constexpr int internal_error_alert = SSL_AD_REASON_OFFSET + SSL_AD_INTERNAL_ERROR;

bool is_alert(unsigned long code) {
    const int reason = ERR_GET_REASON(code);
    return ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET &&
           reason < SSL_AD_REASON_OFFSET + 256;  // an alert's number is a byte
}

Error Stream::failure(int result) {
    has_failed_ = true;
    wire_.rethrow_failure();
    const unsigned long code = ERR_peek_last_error();
    const int kind = SSL_get_error(session_.get(), result);
    const auto reason = take_openssl_error();
    if (kind == SSL_ERROR_SSL && is_alert(code) && ERR_GET_REASON(code) != internal_error_alert) {
        return refused(reason);
    }
    const bool is_end = kind == SSL_ERROR_ZERO_RETURN || kind == SSL_ERROR_SYSCALL ||
                        ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    return cut(is_end ? "the peer closed it" : reason);
}

Error Stream::handshake_failure() {
    if (!session_.trouble().empty()) {
        has_failed_ = true;
        take_openssl_error();
        return Error(ErrorCode::unavailable, "cannot judge the peer's key now: " + session_.trouble(),
                     {.consequence = "The peer was not let in.", .retry_safe = true});
    }
    const unsigned long code = ERR_peek_last_error();
    if (!session_.refusal().empty() || ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        has_failed_ = true;
        take_openssl_error();
        return unknown_peer(session_.refusal().empty() ? "it showed no certificate" : session_.refusal());
    }
    return failure(-1);
}

void Stream::handshake() {
    ERR_clear_error();
    if (SSL_do_handshake(session_.get()) != 1) {
        auto problem = handshake_failure();
        try {
            wire_.flush();  // the alert, so that the peer does not have to guess
        } catch (const Error&) {
            // The handshake's own failure says more.
        }
        throw Error(problem);
    }
    wire_.flush();
    protocol_ = session_.protocol();
    if (protocol_.empty()) {
        has_failed_ = true;
        throw cut("the peer does not serve what was asked for");
    }
    is_established_ = true;
}

void Stream::write(std::span<const std::span<const std::byte>> pieces) {
    if (has_failed_ || has_finished_) {
        throw cut("it has ended before");
    }
    for (auto piece : pieces) {
        while (!piece.empty()) {
            if (gathered_.empty() && piece.size() >= record) {
                const auto whole = piece.size() - piece.size() % record;
                encrypt(piece.first(whole));
                piece = piece.subspan(whole);
                continue;
            }
            const auto part = piece.first(std::min(piece.size(), record - gathered_.size()));
            gathered_.insert(gathered_.end(), part.begin(), part.end());
            piece = piece.subspan(part.size());
            if (gathered_.size() == record) {
                encrypt(gathered_);
                gathered_.clear();
            }
        }
    }
    encrypt(gathered_);
    gathered_.clear();
    wire_.flush();
}

void Stream::encrypt(std::span<const std::byte> data) {
    if (data.empty()) {
        return;
    }
    if (sent_with_key_ >= options_.rekey_after) {
        SSL_key_update(session_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
        sent_with_key_ = 0;
    }
    std::size_t written = 0;
    ERR_clear_error();
    // The wire takes everything, so a write is never partial.
    if (const int result = SSL_write_ex(session_.get(), data.data(), data.size(), &written);
        result != 1 || written != data.size()) {
        throw Error(failure(result));
    }
    sent_with_key_ += data.size();
}

std::optional<std::size_t> Stream::read(std::span<std::byte> buffer, bool is_blocking) {
    if (has_failed_) {
        throw cut("it has ended before");
    }
    wire_.set_blocking(is_blocking);
    std::size_t got = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(session_.get(), buffer.data(), buffer.size(), &got);
    wire_.set_blocking(true);
    if (result == 1) {
        return got;
    }
    const int kind = SSL_get_error(session_.get(), result);
    if (kind == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    if (kind == SSL_ERROR_WANT_READ && !is_blocking) {
        return std::nullopt;
    }
    throw Error(failure(result));
}

void Stream::say_good_bye() {
    if (!is_established_ || has_failed_ || has_finished_) {
        return;
    }
    wire_.lower().set_limit(farewell_limit);
    SSL_shutdown(session_.get());
    wire_.flush();
    wire_.restore_limit();
}

/// The handshake and what else `finish` does belong under one deadline and one stop request.
std::unique_ptr<Stream> shake_hands(std::unique_ptr<os::ByteStream> lower, const TlsOptions& options, bool is_accepting,
                                    void (*finish)(os::ByteStream&)) {
    auto stream = std::make_unique<Stream>(std::move(lower), options, is_accepting);
    stream->set_deadline(steady_clock::now() + options.handshake_limit);
    try {
        const std::stop_callback on_stop(options.stop, [&stream] { stream->shut_down(); });
        stream->handshake();
        finish(*stream);
    } catch (const Error&) {
        if (options.stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "connecting was stopped");
        }
        throw;
    }
    stream->set_deadline(std::nullopt);
    return stream;
}

void await_welcome(os::ByteStream& stream) {
    std::array<std::byte, 1> answer{};
    stream.read(answer);
    if (answer[0] == static_cast<std::byte>(Welcome::busy)) {
        throw Error(ErrorCode::unavailable, "the peer serves as many connections as it may",
                    {.consequence = "Connections that are open go on.", .retry_safe = true});
    }
    if (answer[0] != static_cast<std::byte>(Welcome::served)) {
        throw cut("the peer did not say that it serves us");
    }
}

}  // namespace

std::unique_ptr<TlsStream> tls_connect(std::unique_ptr<os::ByteStream> lower, const TlsOptions& options) {
    return shake_hands(std::move(lower), options, false, &await_welcome);
}

std::unique_ptr<TlsStream> tls_accept(std::unique_ptr<os::ByteStream> lower, const TlsOptions& options) {
    return shake_hands(std::move(lower), options, true, [](os::ByteStream&) {});
}

void welcome(TlsStream& accepted, Welcome answer) {
    const std::array byte{static_cast<std::byte>(answer)};
    static_cast<os::ByteStream&>(accepted).write(std::span<const std::byte>(byte));
}

}  // namespace mk::tunnel
