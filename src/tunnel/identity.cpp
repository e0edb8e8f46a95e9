#include "tunnel/identity.hpp"

#include <optional>

#include "base/error.hpp"
#include "os/file.hpp"
#include "tunnel/certificate.hpp"
#include "tunnel/folder_lock.hpp"

namespace mk::tunnel {
namespace {

constexpr std::chrono::days lifetime{90};
constexpr std::chrono::days renewed_before_end{30};
/// The clocks of two sites differ; a certificate that is valid from tomorrow on would be refused for a whole day.
constexpr std::chrono::days leeway{1};
constexpr const char* anonymous = "migratekit";

/// Nothing when the file is absent.
std::optional<std::string> read_if_there(const std::string& file) {
    try {
        return os::read_file(file, MiB);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            return std::nullopt;
        }
        throw;
    }
}

Key open_key(const std::string& file) {
    if (const auto text = read_if_there(file)) {
        try {
            return key_from_pem(*text);
        } catch (const Error& error) {
            throw error.within(file).advised(
                {.consequence = "The tunnel cannot be used; nothing else is affected.",
                 .remedy = "Restore the file from a backup, or remove it and pair the appliances again."});
        }
    }
    auto key = make_key();
    os::write_file_atomically(file, to_pem(key));
    return key;
}

/// A damaged certificate is nobody's loss: it is made again from the key.
Certificate open_certificate(const std::string& file) {
    const auto text = read_if_there(file);
    if (!text) {
        return nullptr;
    }
    try {
        return certificate_from_pem(*text);
    } catch (const Error&) {
        return nullptr;
    }
}

bool is_due(const Certificate& certificate, const Identity& identity, const std::string& name, Instant now) {
    if (!certificate || fingerprint_of(certificate.get()) != identity.fingerprint) {
        return true;
    }
    const auto validity = validity_of(certificate.get());
    return now < validity.begin || now >= validity.end - renewed_before_end ||
           (!name.empty() && common_name_of(certificate.get()) != name);
}

}  // namespace

Identity open_identity(const std::string& folder, const std::string& name) {
    return open_identity(folder, name, SystemClock{}.now());
}

Identity open_identity(const std::string& folder, const std::string& name, Instant now) {
    const FolderLock lock(folder);
    Identity identity{.certificate_file = folder + "/certificate.pem", .key_file = folder + "/key.pem"};
    const auto key = open_key(identity.key_file);
    identity.fingerprint = fingerprint_of(key.get());
    const auto certificate = open_certificate(identity.certificate_file);
    if (is_due(certificate, identity, name, now)) {
        auto chosen = name.empty() && certificate ? common_name_of(certificate.get()) : name;
        if (chosen.empty()) {
            chosen = anonymous;
        }
        const auto renewed = make_certificate(key, chosen, {.begin = now - leeway, .end = now + lifetime});
        os::write_file_atomically(identity.certificate_file, to_pem(renewed));
    }
    return identity;
}

std::string fingerprint_for_people(const std::string& fingerprint) {
    constexpr std::size_t group = 4;
    std::string text;
    for (std::size_t i = 0; i < fingerprint.size(); ++i) {
        if (i > 0 && i % group == 0) {
            text += ' ';
        }
        text += fingerprint[i];
    }
    return text;
}

}  // namespace mk::tunnel
