#pragma once
// Secrets by type: a Secret cannot be printed, compared by accident or put into JSON; reveal() is greppable.

#include <string>
#include <string_view>

namespace mk {

class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string text) : text_(std::move(text)) {}
    const std::string& reveal() const { return text_; }
    bool empty() const { return text_.empty(); }

  private:
    std::string text_;
};

/// AES-256-GCM with the record's identity as associated data, so that a row cannot be swapped for another.
/// Sealed text is base64(nonce(12) + ciphertext + tag(16)). Thread-safe after construction.
class SecretBox {
  public:
    /// `key` must be 32 bytes; throws Error{invalid} otherwise.
    explicit SecretBox(std::string key);
    std::string seal(const Secret& plain, std::string_view identity) const;
    /// Throws Error{corrupt} when key, identity or text do not belong together.
    Secret open(std::string_view sealed, std::string_view identity) const;

  private:
    std::string key_;
};

/// `bytes` random bytes as lower-case hex, from the operating system's generator.
std::string random_hex(std::size_t bytes);
/// Compares without telling by its duration where the texts differ.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace mk
