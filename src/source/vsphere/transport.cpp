#include "source/vsphere/transport.hpp"

namespace mk::vsphere {
namespace {

// More than this many calls at once are rare; their connections are closed instead of kept.
constexpr std::size_t most_idle_clients = 4;

}  // namespace

HttpTransport::HttpTransport(Address address, http::TlsTrust trust)
    : address_(std::move(address)), trust_(std::move(trust)) {}

http::Response HttpTransport::versions(const std::stop_token& stop) {
    http::Request request;
    request.url = address_.url() + "/vimServiceVersions.xml";
    request.headers = {{"Cookie", ""}};
    return send(request, stop);
}

http::Response HttpTransport::post(const std::string& envelope, const std::string& soap_action,
                                   const std::string& cookie, std::chrono::milliseconds limit,
                                   const std::stop_token& stop) {
    http::Request request;
    request.method = "POST";
    request.url = address_.url();
    request.headers = {
        {"Content-Type", "text/xml; charset=\"utf-8\""}, {"SOAPAction", soap_action}, {"Cookie", cookie}};
    request.body = envelope;
    request.limit = limit;
    return send(request, stop);
}

http::Response HttpTransport::send(const http::Request& request, const std::stop_token& stop) {
    std::unique_ptr<http::Client> client;
    {
        const std::lock_guard lock(mutex_);
        if (!idle_.empty()) {
            client = std::move(idle_.back());
            idle_.pop_back();
        }
    }
    if (!client) {
        client = std::make_unique<http::Client>(trust_);
    }
    auto response = client->send(request, stop);  // a client whose call failed is dropped with its connection
    const std::lock_guard lock(mutex_);
    certificate_ = {client->peer_certificate_sha1(), client->peer_certificate_pem()};
    if (idle_.size() < most_idle_clients) {
        idle_.push_back(std::move(client));
    }
    return response;
}

PeerCertificate HttpTransport::certificate() const {
    const std::lock_guard lock(mutex_);
    return certificate_;
}

}  // namespace mk::vsphere
