#include "tunnel/pairing_store.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "os/file.hpp"
#include "tunnel/folder_lock.hpp"

namespace mk::tunnel {
namespace {

constexpr std::chrono::minutes invitation_lifetime{10};
constexpr std::size_t code_length = 20;
constexpr std::size_t code_group = 5;
constexpr std::size_t fingerprint_digits = 64;
constexpr std::size_t longest_id = 64;
constexpr Bytes largest_file = 64 * KiB;
constexpr std::string_view base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";  // RFC 4648
constexpr const char* suffix = ".json";

std::string pairings_in(const std::string& folder) {
    return folder + "/pairings";
}

std::string invitations_in(const std::string& folder) {
    return folder + "/invitations";
}

std::string pairing_file(const std::string& folder, const std::string& appliance_id) {
    check_appliance_id(appliance_id);
    return pairings_in(folder) + "/" + appliance_id + suffix;
}

/// Not the code itself: names of folders' entries are seen by more people than files' contents.
std::string invitation_file(const std::string& folder, const std::string& code) {
    return invitations_in(folder) + "/" + sha256_hex(std::string_view(code)).substr(0, 16) + suffix;
}

bool is_fingerprint(const std::string& text) {
    return text.size() == fingerprint_digits && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

std::string to_text(const Pairing& pairing) {
    return json::dump({{"appliance_id", pairing.appliance_id},
                       {"name", pairing.name},
                       {"fingerprint", pairing.fingerprint},
                       {"address", pairing.address},
                       {"api_token", pairing.api_token.reveal()},
                       {"paired_at_ms", to_ms(pairing.paired_at)}},
                      2) +
           "\n";
}

Pairing pairing_from(const std::string& text) {
    const auto object = json::parse(text);
    Pairing pairing{.appliance_id = json::require<std::string>(object, "appliance_id"),
                    .name = json::require<std::string>(object, "name"),
                    .fingerprint = json::require<std::string>(object, "fingerprint"),
                    .address = json::value_or<std::string>(object, "address", ""),
                    .api_token = Secret(json::value_or<std::string>(object, "api_token", "")),
                    .paired_at = from_ms(json::require<std::int64_t>(object, "paired_at_ms"))};
    check_appliance_id(pairing.appliance_id);
    if (!is_fingerprint(pairing.fingerprint)) {
        throw Error(ErrorCode::invalid, "the field 'fingerprint' is no SHA-256");
    }
    return pairing;
}

Invitation invitation_from(const std::string& text) {
    const auto object = json::parse(text);
    return {.code = normalised_code(json::require<std::string>(object, "code")),
            .expires = from_ms(json::require<std::int64_t>(object, "expires_ms"))};
}

std::string random_code() {
    std::array<unsigned char, code_length> random{};
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        throw os::system_error("make a random code", errno);
    }
    std::string code;
    for (const auto byte : random) {
        code += base32.at(byte % base32.size());  // 32 divides 256: every character is equally likely
    }
    return code;
}

std::string grouped(const std::string& code) {
    std::string text;
    for (std::size_t i = 0; i < code.size(); ++i) {
        if (i > 0 && i % code_group == 0) {
            text += '-';
        }
        text += code[i];
    }
    return text;
}

/// The *.json files of a folder by name; none when the folder is absent.
std::vector<std::string> files_of(const std::string& folder) {
    std::vector<std::string> files;
    std::error_code problem;
    for (std::filesystem::directory_iterator entry(folder, problem), end; !problem && entry != end;
         entry.increment(problem)) {
        if (entry->path().extension() == suffix) {
            files.push_back(entry->path().string());
        }
    }
    if (problem && problem != std::errc::no_such_file_or_directory) {
        throw os::system_error("read the folder " + folder, problem.value());
    }
    std::sort(files.begin(), files.end());
    return files;
}

/// Nothing when the file is absent. Whatever else keeps it from being read says nothing about its being there.
std::optional<std::string> text_of(const std::string& file) {
    try {
        return os::read_file(file, largest_file);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            return std::nullopt;
        }
        throw;
    }
}

/// What `parse` makes of the file; nothing when it is absent (any more) or cannot be understood.
template <class T>
std::optional<T> read_entry(const std::string& file, T (*parse)(const std::string&)) {
    const auto text = text_of(file);
    if (!text) {
        return std::nullopt;
    }
    try {
        return parse(*text);
    } catch (const Error& error) {
        log::warn("tunnel_file_not_usable file={} reason=\"{}\"", file, error.cause());
        return std::nullopt;
    }
}

/// A revocation that a crash undoes is none: the removal is on disk on return. False when the file was absent.
bool remove_durably(const std::string& folder, const std::string& file) {
    os::Descriptor opened;
    try {
        opened = os::open_file(folder, O_RDONLY | O_DIRECTORY);  // before the removal: there may be no descriptor left
    } catch (const Error& error) {
        if (error.code() == ErrorCode::not_found) {
            return false;
        }
        throw;
    }
    if (::unlink(file.c_str()) != 0) {
        if (errno == ENOENT) {
            return false;
        }
        throw os::system_error("remove " + file, errno);
    }
    if (::fsync(opened.get()) != 0) {
        throw os::system_error("flush " + folder, errno);
    }
    return true;
}

bool is_open(const Invitation& invitation, Instant now) {
    // An expiry further away than a lifetime was written by a clock that has been set back since.
    return now < invitation.expires && invitation.expires - now <= invitation_lifetime;
}

}  // namespace

void check_appliance_id(const std::string& appliance_id) {
    const bool is_plain = std::all_of(appliance_id.begin(), appliance_id.end(), [](unsigned char c) {
        return c < 0x80 && (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.');
    });
    if (appliance_id.empty() || appliance_id.size() > longest_id || !is_plain || appliance_id.front() == '.') {
        throw Error(ErrorCode::invalid, "'" + appliance_id.substr(0, longest_id) + "' cannot be an appliance's id",
                    {.remedy = "Use 1 to 64 letters, digits, '-', '_' and '.', and no '.' at the beginning."});
    }
}

std::string normalised_code(const std::string& typed) {
    std::string code;
    for (const char c : typed) {
        if (c == '-' || std::isspace(static_cast<unsigned char>(c)) != 0) {
            continue;
        }
        const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        code += upper == '0' ? 'O' : upper == '1' ? 'I' : upper == '8' ? 'B' : upper;
    }
    if (code.size() != code_length || code.find_first_not_of(base32) != std::string::npos) {
        throw Error(ErrorCode::invalid, "that is no pairing code",
                    {.remedy = "A code has 20 letters and digits in four groups, as the other appliance shows it."});
    }
    return code;
}

PairingStore::PairingStore(std::string folder, const Clock& clock) : folder_(std::move(folder)), clock_(clock) {}

std::vector<Pairing> PairingStore::list() const {
    std::vector<Pairing> pairings;
    for (const auto& file : files_of(pairings_in(folder_))) {
        if (auto pairing = read_entry(file, &pairing_from)) {
            pairings.push_back(std::move(*pairing));
        }
    }
    return pairings;
}

std::optional<Pairing> PairingStore::find(const std::string& appliance_id) const {
    return read_entry(pairing_file(folder_, appliance_id), &pairing_from);
}

std::optional<Pairing> PairingStore::find_by_fingerprint(const std::string& fingerprint) const {
    auto pairings = list();
    const auto found = std::find_if(pairings.begin(), pairings.end(),
                                    [&](const Pairing& pairing) { return pairing.fingerprint == fingerprint; });
    return found == pairings.end() ? std::nullopt : std::optional(std::move(*found));
}

void PairingStore::put(const Pairing& pairing) {
    const auto file = pairing_file(folder_, pairing.appliance_id);
    if (!is_fingerprint(pairing.fingerprint)) {
        throw Error(ErrorCode::invalid, "the fingerprint of '" + pairing.appliance_id + "' is no SHA-256");
    }
    const FolderLock lock(folder_);
    os::make_folders(pairings_in(folder_));
    os::write_file_atomically(file, to_text(pairing));
}

bool PairingStore::remove(const std::string& appliance_id) {
    const auto file = pairing_file(folder_, appliance_id);
    const FolderLock lock(folder_);
    return remove_durably(pairings_in(folder_), file);
}

Invitation PairingStore::invite() {
    const auto code = random_code();
    const Invitation invitation{.code = grouped(code), .expires = clock_.now() + invitation_lifetime};
    const FolderLock lock(folder_);
    os::make_folders(invitations_in(folder_));
    os::write_file_atomically(invitation_file(folder_, code),
                              json::dump({{"code", code}, {"expires_ms", to_ms(invitation.expires)}}) + "\n");
    return invitation;
}

std::vector<std::string> PairingStore::open_codes() const {
    std::vector<std::string> codes;
    for (const auto& file : files_of(invitations_in(folder_))) {
        const auto invitation = read_entry(file, &invitation_from);
        if (invitation && is_open(*invitation, clock_.now())) {
            codes.push_back(invitation->code);
        } else {
            os::remove_file(file);
        }
    }
    return codes;
}

bool PairingStore::use_up(const std::string& code) {
    const auto file = invitation_file(folder_, normalised_code(code));
    const FolderLock lock(folder_);
    const auto invitation = read_entry(file, &invitation_from);
    remove_durably(invitations_in(folder_), file);
    return invitation && is_open(*invitation, clock_.now());
}

void PairingStore::withdraw_invitations() {
    const FolderLock lock(folder_);
    for (const auto& file : files_of(invitations_in(folder_))) {
        remove_durably(invitations_in(folder_), file);
    }
}

}  // namespace mk::tunnel
