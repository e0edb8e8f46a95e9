#include "target/volumes/digest_service.hpp"

#include <array>
#include <optional>

#include <fmt/core.h>

#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "target/volumes/content_digests.hpp"

namespace mk::volumes {
namespace {

constexpr std::size_t longest_line = 8 * KiB;
constexpr Bytes longest_run = 32 * MiB;
/// Between two questions: the client may copy for long before it asks again.
constexpr std::chrono::hours idle_limit{12};

/// Lines out of a stream.
class LineReader {
  public:
    explicit LineReader(os::ByteStream& stream) : stream_(stream) {}

    /// Nothing when the client left. Throws Error{invalid} for a line that is too long.
    std::optional<std::string> next() {
        while (true) {
            if (const auto end = input_.find('\n'); end != std::string::npos) {
                auto line = input_.substr(0, end);
                input_.erase(0, end + 1);
                return line;
            }
            if (input_.size() > longest_line) {
                throw Error(ErrorCode::invalid, "the question is too long");
            }
            std::array<std::byte, 1024> piece{};
            const auto count = stream_.read_some(piece);
            if (count == 0) {
                return std::nullopt;
            }
            input_.append(reinterpret_cast<const char*>(piece.data()), count);
        }
    }

  private:
    os::ByteStream& stream_;
    std::string input_;
};

void write_line(os::ByteStream& stream, std::string line) {
    line += '\n';
    stream.write(std::as_bytes(std::span(line.data(), line.size())));
}

}  // namespace

void DigestService::serve(std::unique_ptr<os::ByteStream> stream) const {
    stream->set_limit(idle_limit);
    LineReader lines(*stream);
    try {
        while (const auto question = lines.next()) {
            write_line(*stream, answer(*question));
        }
    } catch (const Error& error) {
        if (error.code() == ErrorCode::invalid) {
            log::warn("a client of the digest service was cut: {}", error.cause());
        } else if (!error.retryable()) {  // that a client went away is no news
            log::error("a connection of the digest service ended: {}", error.full_text());
        }
    }
}

std::string DigestService::answer(const std::string& question) const {
    try {
        return json::dump(digests_of(json::parse(question)));
    } catch (const Error& error) {
        return json::dump(Json{{"error", error_to_json_(error)}});
    }
}

Json DigestService::digests_of(const Json& question) const {
    const auto name = json::require<std::string>(question, "export");
    const Range run{json::require<Bytes>(question, "offset"), json::require<Bytes>(question, "length")};
    // No cut: a question takes a moment, and the export's removal waits for it.
    const auto lease = exports_.use(name, {});
    if (!lease) {
        throw Error(ErrorCode::not_found, "there is no open write session of that name",
                    {.consequence = "Nothing was compared.", .remedy = "Open the session again."});
    }
    auto& content = lease->backend();
    if (run.length == 0 || run.length > longest_run || run.offset > content.size() ||
        run.length > content.size() - run.offset) {
        throw Error(ErrorCode::invalid, fmt::format("the run {}+{} is empty, longer than {} or beyond the disk",
                                                    run.offset, run.length, format_bytes(longest_run)));
    }
    AlignedBuffer buffer(digest_read_size);
    Json digests = Json::array();
    for (const auto& leaf : read_leaf_digests(content, run, buffer)) {
        digests.push_back(to_hex(leaf));
    }
    return {{"digests", digests}};
}

}  // namespace mk::volumes
