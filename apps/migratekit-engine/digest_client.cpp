#include "digest_client.hpp"

#include <array>

#include "base/error.hpp"
#include "base/json_fields.hpp"
#include "contracts/vma_api.hpp"

namespace mk {

namespace {

/// A run of 32 MiB has 128 leaves of 35 characters.
constexpr std::size_t longest_answer = 64 * KiB;

Error not_an_answer(const std::string& why) {
    return Error(ErrorCode::corrupt, "the target's digest service sent no answer: " + why,
                 {.consequence = "Nothing was compared with it.", .retry_safe = true});
}

std::vector<LeafDigest> digests_from(const std::string& line, Range run) {
    const Json answer = json::parse(line);
    if (!answer.is_object()) {
        throw not_an_answer("no object");
    }
    if (answer.contains("error")) {
        throw contracts::error_from(answer.at("error")).within("the target's digest service");
    }
    std::vector<LeafDigest> digests;
    for (const std::string& text : json::require<std::vector<std::string>>(answer, "digests")) {
        digests.push_back(leaf_digest_from_hex(text));
    }
    if (digests.size() != leaf_count(run)) {
        throw not_an_answer(std::to_string(digests.size()) + " digests instead of " + std::to_string(leaf_count(run)));
    }
    return digests;
}

}  // namespace

DigestClient::DigestClient(std::string export_name, std::unique_ptr<os::ByteStream> stream)
    : export_name_(std::move(export_name)), stream_(std::move(stream)) {}

std::vector<LeafDigest> DigestClient::leaves(Range run, const std::stop_token& stop) {
    const std::stop_callback on_stop(stop, [this] { stream_->shut_down(); });
    try {
        const Json question{{"export", export_name_}, {"offset", run.offset}, {"length", run.length}};
        const std::string line = json::dump(question) + "\n";
        stream_->write(std::as_bytes(std::span(line)));
        const std::string answer = read_line();
        try {
            return digests_from(answer, run);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::invalid) {
                throw not_an_answer(error.cause());
            }
            throw;
        }
    } catch (const Error&) {
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled, "the comparison was stopped");
        }
        throw;
    }
}

std::string DigestClient::read_line() {
    for (;;) {
        if (const std::size_t end = received_.find('\n'); end != std::string::npos) {
            std::string line = received_.substr(0, end);
            received_.erase(0, end + 1);
            return line;
        }
        if (received_.size() > longest_answer) {
            throw not_an_answer("an endless line");
        }
        std::array<std::byte, 8 * KiB> piece;
        const std::size_t got = stream_->read_some(piece);
        if (got == 0) {
            throw Error(ErrorCode::unavailable, "the target's digest service closed the connection",
                        {.retry_safe = true});
        }
        for (std::size_t i = 0; i < got; ++i) {
            received_.push_back(static_cast<char>(piece[i]));
        }
    }
}

}  // namespace mk
