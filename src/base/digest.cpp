#include "base/digest.hpp"

#include <openssl/evp.h>

#include "base/error.hpp"

namespace mk {
namespace {

void expect(int result) {
    if (result != 1) {
        throw Error(ErrorCode::internal, "the cryptographic library refused to compute SHA-256");
    }
}

}  // namespace

struct Sha256::State {
    State() : context(EVP_MD_CTX_new()) {
        if (context == nullptr) {
            throw Error(ErrorCode::exhausted, "no memory for a SHA-256 computation");
        }
    }
    ~State() { EVP_MD_CTX_free(context); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void begin() { expect(EVP_DigestInit_ex(context, EVP_sha256(), nullptr)); }

    EVP_MD_CTX* context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    state_->begin();
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(std::span<const std::byte> data) {
    expect(EVP_DigestUpdate(state_->context, data.data(), data.size()));
}

void Sha256::add(std::string_view text) {
    add(std::as_bytes(std::span(text)));
}

std::string Sha256::finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    expect(EVP_DigestFinal_ex(state_->context, digest.data(), &size));
    state_->begin();
    constexpr std::string_view hex = "0123456789abcdef";
    std::string text;
    text.reserve(std::size_t{2} * size);
    for (unsigned int i = 0; i < size; ++i) {
        text += hex[digest[i] >> 4];
        text += hex[digest[i] & 15];
    }
    return text;
}

std::string sha256_hex(std::span<const std::byte> data) {
    Sha256 digest;
    digest.add(data);
    return digest.finish();
}

std::string sha256_hex(std::string_view text) {
    return sha256_hex(std::as_bytes(std::span(text)));
}

}  // namespace mk
