#include "tunnel/pairing_exchange.hpp"

#include <algorithm>
#include <array>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "os/listen_address.hpp"
#include "tunnel/dialer.hpp"
#include "tunnel/openssl_error.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t longest_line = 8 * KiB;
constexpr const char* oma_id = "oma";

std::string proof_of(const std::string& code, const std::string& role, const std::string& vma_key,
                     const std::string& oma_key) {
    const auto text = "migratekit pairing 1\n" + role + "\n" + vma_key + "\n" + oma_key + "\n";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (HMAC(EVP_sha256(), code.data(), static_cast<int>(code.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size) == nullptr) {
        throw Error(ErrorCode::internal, "cannot compute a proof: " + take_openssl_error());
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    for (unsigned i = 0; i < size; ++i) {
        hex += digits[digest.at(i) >> 4U];
        hex += digits[digest.at(i) & 0x0FU];
    }
    return hex;
}

/// Messages over a stream, under one deadline for the whole exchange.
class Dialogue {
  public:
    Dialogue(TlsStream& stream, milliseconds limit) : stream_(stream) {
        stream.set_deadline(steady_clock::now() + limit);
    }

    void say(const Json& message) {
        const auto line = json::dump(message) + "\n";
        stream_.write(std::as_bytes(std::span(line)));
    }

    /// Nothing when the peer closed instead.
    std::optional<Json> hear() {
        std::string line;
        std::array<std::byte, 1> byte{};
        while (line.size() <= longest_line) {
            if (stream_.read_some(byte) == 0) {
                return std::nullopt;
            }
            if (byte[0] == std::byte{'\n'}) {
                return json::parse(line);
            }
            line += std::to_integer<char>(byte[0]);
        }
        throw Error(ErrorCode::invalid, "the other side sends too much");
    }

  private:
    os::ByteStream& stream_;
};

Json expect(std::optional<Json> message, const std::string& what) {
    if (!message) {
        throw Error(ErrorCode::unavailable, "the other side closed the connection before " + what,
                    {.consequence = "The appliances are not paired.", .remedy = "Make a new code and pair again."});
    }
    return std::move(*message);
}

Error code_not_accepted(const std::string& reason) {
    return Error(ErrorCode::forbidden, reason,
                 {.consequence = "Nothing was handed over.",
                  .remedy = "Make a new code at the OMA (it lives ten minutes and works once), and check the address."})
        .with_native("WrongCode");
}

}  // namespace

PairingDesk::PairingDesk(PairingStore& store, std::string name, PairingLimits limits)
    : store_(store), name_(std::move(name)), limits_(limits) {}

bool PairingDesk::is_open() const {
    return !store_.open_codes().empty();
}

/// Empty when none matches. All are looked at, so that the time says nothing.
std::string PairingDesk::matching_code(const std::string& proof, const std::string& peer,
                                       const std::string& own) const {
    std::string found;
    for (const auto& code : store_.open_codes()) {
        if (constant_time_equal(proof_of(code, "vma", peer, own), proof)) {
            found = code;
        }
    }
    return found;
}

void PairingDesk::count_wrong_proof() {
    const std::lock_guard lock(mutex_);
    if (++wrong_proofs_ >= limits_.wrong_proofs) {
        wrong_proofs_ = 0;
        store_.withdraw_invitations();
        log::warn("invitations_withdrawn reason=\"{} wrong codes\"", limits_.wrong_proofs);
    }
}

void PairingDesk::check_may_be_added(const Pairing& pairing) const {
    check_appliance_id(pairing.appliance_id);
    const auto known = store_.find(pairing.appliance_id);
    if (known && known->fingerprint != pairing.fingerprint) {
        throw Error(ErrorCode::conflict,
                    "another appliance is paired as '" + pairing.appliance_id + "' (" + known->name + ")",
                    {.consequence = "The pairings are unchanged.",
                     .remedy = "Give this appliance another id, or remove that pairing first if it is the same one "
                               "with a new key."});
    }
}

Pairing PairingDesk::serve(TlsStream& stream, const std::string& own_fingerprint) {
    Dialogue dialogue(stream, limits_.exchange);
    const auto& peer = stream.peer_fingerprint();
    const auto opening = expect(dialogue.hear(), "it showed a proof");
    const auto code = matching_code(json::require<std::string>(opening, "proof"), peer, own_fingerprint);
    if (code.empty() || !store_.use_up(code)) {
        count_wrong_proof();
        throw Error(ErrorCode::forbidden, "a wrong pairing code from the key " + fingerprint_for_people(peer));
    }
    dialogue.say({{"proof", proof_of(code, "oma", peer, own_fingerprint)}});
    const auto details = expect(dialogue.hear(), "it said who it is");
    Pairing pairing{.appliance_id = json::require<std::string>(details, "appliance_id"),
                    .name = json::require<std::string>(details, "name"),
                    .fingerprint = peer,
                    .address = "",
                    .api_token = Secret(json::require<std::string>(details, "api_token")),
                    .paired_at = SystemClock{}.now()};
    try {
        check_may_be_added(pairing);
        if (const auto renamed = store_.find_by_fingerprint(peer)) {
            store_.remove(renamed->appliance_id);  // one key is one appliance
        }
        store_.put(pairing);
    } catch (const Error& error) {
        dialogue.say({{"error", error.full_text()}});
        throw;
    }
    dialogue.say({{"name", name_}});
    const std::lock_guard lock(mutex_);
    wrong_proofs_ = 0;
    return pairing;
}

Pairing pair_with_gateway(const PairingRequest& request, milliseconds limit, const std::stop_token& stop) {
    check_appliance_id(request.appliance_id);
    const auto code = normalised_code(request.code);
    const auto address = os::parse_listen_address(request.gateway);
    const auto identity = open_identity(request.folder, request.name);
    const TlsOptions options{.identity = identity,
                             .protocols = {alpn::pair},
                             .is_trusted = [](const std::string&) { return true; },  // the proof binds the key
                             .stop = stop};
    auto socket = os::connect_tcp(address.host, address.port, limit, stop);
    std::unique_ptr<TlsStream> stream;
    try {
        stream = tls_connect(std::move(socket), options);
    } catch (const Error& error) {
        throw error.within("gateway " + request.gateway)
            .advised({.remedy = "Is a code open at this OMA? Without one it answers nobody."});
    }
    const std::stop_callback on_stop(stop, [&stream] { stream->shut_down(); });
    const auto& peer = stream->peer_fingerprint();
    Dialogue dialogue(*stream, PairingLimits{}.exchange);
    dialogue.say({{"proof", proof_of(code, "vma", identity.fingerprint, peer)}});
    const auto answer = dialogue.hear();
    if (!answer) {
        throw code_not_accepted("the gateway does not accept the code");
    }
    if (!constant_time_equal(json::require<std::string>(*answer, "proof"),
                             proof_of(code, "oma", identity.fingerprint, peer))) {
        throw code_not_accepted("what answers at " + request.gateway + " does not know the code: it is not the OMA");
    }
    dialogue.say(
        {{"appliance_id", request.appliance_id}, {"name", request.name}, {"api_token", request.api_token.reveal()}});
    const auto end = expect(dialogue.hear(), "it confirmed the pairing");
    if (const auto problem = json::find<std::string>(end, "error")) {
        throw Error(ErrorCode::conflict, "the OMA refuses the pairing: " + *problem);
    }
    const SystemClock clock;
    const Pairing pairing{.appliance_id = oma_id,
                          .name = json::require<std::string>(end, "name"),
                          .fingerprint = peer,
                          .address = request.gateway,
                          .api_token = {},
                          .paired_at = clock.now()};
    PairingStore(request.folder, clock).put(pairing);
    return pairing;
}

}  // namespace mk::tunnel
