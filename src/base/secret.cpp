#include "base/secret.hpp"

#include <array>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/base64.hpp"
#include "base/error.hpp"

namespace mk {
namespace {

constexpr std::size_t key_size = 32;
constexpr std::size_t nonce_size = 12;  // NIST SP 800-38D's size: no hashing of the nonce
constexpr std::size_t tag_size = 16;

struct FreeContext {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

int length(std::string_view text) {
    if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
        throw Error(ErrorCode::invalid, "the text is too long to be encrypted");
    }
    return static_cast<int>(text.size());
}

Context make_context() {
    Context context(EVP_CIPHER_CTX_new());
    if (!context) {
        throw Error(ErrorCode::exhausted, "no memory for encryption");
    }
    return context;
}

void expect(int result) {
    if (result != 1) {
        throw Error(ErrorCode::internal, "the cryptographic library refused AES-256-GCM");
    }
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    if (count > 0 && RAND_bytes(raw(bytes), length(bytes)) != 1) {
        throw Error(ErrorCode::internal, "the random generator gave no bytes");
    }
    return bytes;
}

[[noreturn]] void refuse_to_open() {
    throw Error(ErrorCode::corrupt, "a stored secret cannot be decrypted",
                {"Nothing was changed.",
                 "Check that the key file is the one the secret was stored with, or enter the secret again.", true});
}

}  // namespace

SecretBox::SecretBox(std::string key) : key_(std::move(key)) {
    if (key_.size() != key_size) {
        throw Error(ErrorCode::invalid,
                    "an encryption key must have 32 bytes, this one has " + std::to_string(key_.size()));
    }
}

std::string SecretBox::seal(const Secret& plain, std::string_view identity) const {
    const std::string nonce = random_bytes(nonce_size);
    std::string cipher(plain.reveal().size(), '\0');
    std::string tag(tag_size, '\0');
    int written = 0;
    const Context context = make_context();
    expect(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(std::string_view(key_)),
                              raw(std::string_view(nonce))));
    expect(EVP_EncryptUpdate(context.get(), nullptr, &written, raw(identity), length(identity)));
    expect(EVP_EncryptUpdate(context.get(), raw(cipher), &written, raw(std::string_view(plain.reveal())),
                             length(plain.reveal())));
    std::array<unsigned char, tag_size> rest{};  // GCM is a stream: final() writes nothing
    expect(EVP_EncryptFinal_ex(context.get(), rest.data(), &written));
    expect(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tag_size, tag.data()));
    return base64_encode(nonce + cipher + tag);
}

Secret SecretBox::open(std::string_view sealed, std::string_view identity) const {
    std::string bytes;
    try {
        bytes = base64_decode(sealed);
    } catch (const Error&) {
        refuse_to_open();
    }
    if (bytes.size() < nonce_size + tag_size) {
        refuse_to_open();
    }
    const std::string_view all = bytes;
    const std::string_view cipher = all.substr(nonce_size, all.size() - nonce_size - tag_size);
    std::string tag(all.substr(all.size() - tag_size));
    std::string plain(cipher.size(), '\0');
    int written = 0;
    const Context context = make_context();
    expect(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(std::string_view(key_)), raw(all)));
    expect(EVP_DecryptUpdate(context.get(), nullptr, &written, raw(identity), length(identity)));
    expect(EVP_DecryptUpdate(context.get(), raw(plain), &written, raw(cipher), length(cipher)));
    expect(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tag_size, tag.data()));
    std::array<unsigned char, tag_size> rest{};
    if (EVP_DecryptFinal_ex(context.get(), rest.data(), &written) != 1) {
        refuse_to_open();
    }
    return Secret(std::move(plain));
}

std::string random_hex(std::size_t bytes) {
    constexpr std::string_view hex = "0123456789abcdef";
    std::string text;
    for (const char byte : random_bytes(bytes)) {
        const auto value = static_cast<unsigned char>(byte);
        text += hex[value >> 4];
        text += hex[value & 15];
    }
    return text;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace mk
