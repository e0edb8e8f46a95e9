#include <algorithm>
#include <cstdio>
#include <fstream>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "http/client.hpp"
#include "unit/http/tls_peer.hpp"

namespace mk::http {
namespace {

using testing::RawConnection;
using testing::ScriptedPeer;
using testing::SelfSigned;
using testing::TlsPeer;
using namespace std::chrono_literals;

Request secret_request(const std::string& url) {
    return {.url = url + "/login", .headers = {{"Authorization", "Bearer secret"}}, .body = {}};
}

Error error_of(Client& client, const Request& request) {
    try {
        static_cast<void>(client.send(request));
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "the call succeeded";
    return Error(ErrorCode::internal, "");
}

std::string lower_without_colons(std::string pin) {
    pin.erase(std::remove(pin.begin(), pin.end(), ':'), pin.end());
    std::transform(pin.begin(), pin.end(), pin.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return pin;
}

/// A file that lives as long as the test's object.
class PemFile {
  public:
    explicit PemFile(const std::string& content) {
        const int fd = ::mkstemp(path_.data());
        ::close(fd);
        std::ofstream(path_) << content;
    }
    ~PemFile() { std::remove(path_.c_str()); }
    PemFile(const PemFile&) = delete;
    PemFile& operator=(const PemFile&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_ = ::testing::TempDir() + "mk-http-XXXXXX";
};

TEST(ClientTls, AcceptsThePinnedCertificateInAnyNotation) {
    const SelfSigned identity;
    TlsPeer peer(identity);
    const auto pin = identity.fingerprint(EVP_sha256());
    for (const auto& notation : {pin, lower_without_colons(pin)}) {
        Client client({.sha256_pin = notation});
        EXPECT_TRUE(client.peer_certificate_sha256().empty());

        EXPECT_EQ(client.send(secret_request(peer.url())).body, "hello");

        EXPECT_EQ(client.peer_certificate_sha256(), pin);
        EXPECT_EQ(client.peer_certificate_sha1(), identity.fingerprint(EVP_sha1()));
    }
}

TEST(ClientTls, RefusesAnotherCertificateBeforeSendingAnything) {
    const SelfSigned identity;
    const SelfSigned other;
    TlsPeer peer(identity);
    Client client({.sha256_pin = other.fingerprint(EVP_sha256())});

    const auto error = error_of(client, secret_request(peer.url()));

    EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
    const auto host = peer.url().substr(8);
    EXPECT_EQ(error.cause(), "the certificate of " + host + " is " + identity.fingerprint(EVP_sha256()) +
                                 ", expected " + other.fingerprint(EVP_sha256()));
    EXPECT_FALSE(error.advice().remedy.empty());
    EXPECT_TRUE(error.advice().retry_safe);
    EXPECT_EQ(peer.received(), "");
}

TEST(ClientTls, RefusesAgainOnEveryCall) {
    const SelfSigned identity;
    const SelfSigned other;
    TlsPeer peer(identity);
    Client client({.sha256_pin = other.fingerprint(EVP_sha256())});
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(error_of(client, secret_request(peer.url())).code(), ErrorCode::unauthenticated);
    }
    EXPECT_EQ(peer.received(), "");
}

TEST(ClientTls, NeedsNoAuthorityForAPin) {
    const SelfSigned identity;
    TlsPeer peer(identity);
    Client client({.sha256_pin = identity.fingerprint(EVP_sha256()), .ca_file = "/nowhere/ca.pem"});

    EXPECT_EQ(client.send(secret_request(peer.url())).status, 200);
}

TEST(ClientTls, VerifiesWithTheGivenAuthority) {
    const SelfSigned identity;
    TlsPeer peer(identity);
    const PemFile authority(identity.pem());
    Client client({.ca_file = authority.path()});

    EXPECT_EQ(client.send(secret_request(peer.url())).body, "hello");
    EXPECT_EQ(client.peer_certificate_sha256(), identity.fingerprint(EVP_sha256()));
}

TEST(ClientTls, RefusesACertificateOfAnUnknownAuthority) {
    const SelfSigned identity;
    const SelfSigned other;
    TlsPeer peer(identity);
    const PemFile authority(other.pem());
    Client client({.ca_file = authority.path()});

    const auto error = error_of(client, secret_request(peer.url()));

    EXPECT_EQ(error.code(), ErrorCode::unauthenticated);
    EXPECT_EQ(peer.received(), "");
}

TEST(ClientTls, ChecksTheNameUnderAnAuthority) {
    const SelfSigned identity;
    TlsPeer peer(identity);
    const PemFile authority(identity.pem());
    Client client({.ca_file = authority.path()});
    auto url = peer.url();
    url.replace(url.find("127.0.0.1"), 9,
                "127.0.0.2");  // reaches no listener or the same one, but is not in the certificate

    const auto code = error_of(client, secret_request(url)).code();

    EXPECT_TRUE(code == ErrorCode::unauthenticated || code == ErrorCode::unavailable);
    EXPECT_EQ(peer.received(), "");
}

TEST(ClientTls, RefusesAPinThatIsNoSha256) {
    const SelfSigned identity;
    for (const auto& pin :
         {std::string("AB:CD"), identity.fingerprint(EVP_sha1()), std::string(64, 'x'), std::string(66, 'a')}) {
        try {
            Client client({.sha256_pin = pin});
            ADD_FAILURE() << "accepted " << pin;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::invalid);
        }
    }
}

TEST(ClientTls, SaysThatAnAuthorityFileIsMissing) {
    const SelfSigned identity;
    TlsPeer peer(identity);
    Client client({.ca_file = "/nowhere/ca.pem"});

    EXPECT_EQ(error_of(client, secret_request(peer.url())).code(), ErrorCode::invalid);
}

TEST(ClientTls, ReportsAPeerWithoutTlsAsUnavailable) {
    ScriptedPeer peer([](RawConnection& connection) {
        connection.read_until("\x01");
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    Client client({.sha256_pin = std::string(64, 'a')});

    EXPECT_EQ(error_of(client, secret_request(peer.url("https"))).code(), ErrorCode::unavailable);
}

TEST(FetchCertificate, TellsTheFingerprintWithoutSendingARequest) {
    const SelfSigned identity;
    TlsPeer peer(identity);

    EXPECT_EQ(fetch_certificate_sha256(peer.url(), 10s), identity.fingerprint(EVP_sha256()));
    EXPECT_EQ(peer.received(), "");
}

TEST(FetchCertificate, FailsWhereThereIsNone) {
    ScriptedPeer plain([](RawConnection& connection) {
        connection.read_until("\x01");
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    ScriptedPeer silent([](RawConnection& connection) { connection.read_to_end(); });
    for (const auto& url : {plain.url("https"), silent.url("https")}) {
        try {
            static_cast<void>(fetch_certificate_sha256(url, 100ms));
            ADD_FAILURE() << "a certificate at " << url;
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), ErrorCode::unavailable);
        }
    }
}

}  // namespace
}  // namespace mk::http
