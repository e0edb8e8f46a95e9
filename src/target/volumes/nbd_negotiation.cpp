#include "target/volumes/nbd_negotiation.hpp"

#include <algorithm>
#include <vector>

#include "target/volumes/nbd_protocol.hpp"

namespace mk::volumes {
namespace {

using namespace nbd;
constexpr std::uint32_t longest_option = 8 * KiB;  // names have at most 4096 bytes
constexpr int most_options = 64;

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

/// Of NBD_OPT_LIST_META_CONTEXT and NBD_OPT_SET_META_CONTEXT.
struct ContextQuery {
    std::string name;
    std::vector<std::string> queries;
};

std::optional<ContextQuery> context_query_in(const std::string& data) {
    Cursor cursor{bytes_of(data)};
    ContextQuery query;
    query.name = cursor.text(cursor.number<std::uint32_t>());
    for (auto count = cursor.number<std::uint32_t>(); count > 0 && !cursor.failed; --count) {
        query.queries.push_back(cursor.text(cursor.number<std::uint32_t>()));
    }
    return cursor.failed || !cursor.rest.empty() ? std::nullopt : std::optional(query);
}

}  // namespace

std::optional<NbdAgreement> NbdNegotiation::run() {
    if (!exchange_hello()) {
        return std::nullopt;
    }
    for (int options = 0; options < most_options; ++options) {
        switch (answer_option()) {
            case Next::option:
                break;
            case Next::transmission:
                return std::move(agreement_);
            case Next::end:
                return std::nullopt;
        }
    }
    return std::nullopt;
}

bool NbdNegotiation::exchange_hello() {
    std::string hello;
    put_big(hello, magic);
    put_big(hello, option_magic);
    put_big(hello, static_cast<std::uint16_t>(handshake_fixed_newstyle | handshake_no_zeroes));
    write(hello);
    const auto answer = read_text(4);
    const auto flags = Cursor{bytes_of(answer)}.number<std::uint32_t>();
    omits_zeroes_ = (flags & handshake_no_zeroes) != 0;
    return (flags & ~std::uint32_t{handshake_fixed_newstyle | handshake_no_zeroes}) == 0;
}

NbdNegotiation::Next NbdNegotiation::answer_option() {
    const auto head = read_text(16);
    Cursor cursor{bytes_of(head)};
    if (cursor.number<std::uint64_t>() != option_magic) {
        return Next::end;
    }
    const auto option = cursor.number<std::uint32_t>();
    const auto length = cursor.number<std::uint32_t>();
    return length > longest_option ? Next::end : answer(option, read_text(length));
}

NbdNegotiation::Next NbdNegotiation::answer(std::uint32_t option, const std::string& data) {
    switch (option) {
        case option_abort:
            reply(option, reply_ack);
            return Next::end;
        case option_export_name:
            return answer_export_name(data);
        case option_info:
        case option_go:
            return answer_info(option, data);
        case option_structured_reply:
            answer_structured(data);
            return Next::option;
        case option_list_meta_context:
        case option_set_meta_context:
            answer_contexts(option, data);
            return Next::option;
        case option_list:
            // Names are what opens an export: none are told.
            reply(option, data.empty() ? reply_ack : reply_invalid);
            return Next::option;
        default:
            reply(option, reply_unsupported);
            return Next::option;
    }
}

std::optional<ExportRegistry::Lease> NbdNegotiation::take(const std::string& name) {
    return exports_.use(name, [stream = &stream_] { stream->shut_down(); });
}

NbdNegotiation::Next NbdNegotiation::answer_export_name(const std::string& name) {
    auto lease = take(name);
    if (!lease) {
        return Next::end;  // this option has no error reply
    }
    on_chosen_();
    std::string answer;
    put_big(answer, static_cast<std::uint64_t>(lease->backend().size()));
    put_big(answer, transmission_flags);
    if (!omits_zeroes_) {
        answer.append(124, '\0');
    }
    write(answer);
    agreement_.emplace(NbdAgreement{std::move(*lease), has_structured_replies_, allocation_of_ == name});
    return Next::transmission;
}

NbdNegotiation::Next NbdNegotiation::answer_info(std::uint32_t option, const std::string& data) {
    Cursor cursor{bytes_of(data)};
    Wish wish;
    wish.name = cursor.text(cursor.number<std::uint32_t>());
    for (auto count = cursor.number<std::uint16_t>(); count > 0 && !cursor.failed; --count) {
        wish.infos.insert(cursor.number<std::uint16_t>());
    }
    if (cursor.failed || !cursor.rest.empty()) {
        reply(option, reply_invalid);
        return Next::option;
    }
    auto lease = take(wish.name);
    if (!lease) {
        reply(option, reply_unknown_export, "no such export");
        return Next::option;
    }
    if (option != option_info) {
        on_chosen_();
    }
    tell_export(option, wish, lease->backend());
    if (option == option_info) {
        return Next::option;
    }
    agreement_.emplace(NbdAgreement{std::move(*lease), has_structured_replies_, allocation_of_ == wish.name});
    return Next::transmission;
}

void NbdNegotiation::tell_export(std::uint32_t option, const Wish& wish, ExportBackend& backend) {
    std::string info;
    put_big(info, info_export);
    put_big(info, static_cast<std::uint64_t>(backend.size()));
    put_big(info, transmission_flags);
    reply(option, reply_info, info);
    std::string sizes;
    put_big(sizes, info_block_size);
    put_big(sizes, std::uint32_t{1});
    put_big(sizes, preferred_request);
    put_big(sizes, largest_request);
    reply(option, reply_info, sizes);
    if (wish.infos.contains(info_description)) {
        std::string description;
        put_big(description, info_description);
        reply(option, reply_info, description + backend.instance());
    }
    reply(option, reply_ack);
}

void NbdNegotiation::answer_structured(const std::string& data) {
    has_structured_replies_ = has_structured_replies_ || data.empty();
    reply(option_structured_reply, data.empty() ? reply_ack : reply_invalid);
}

void NbdNegotiation::answer_contexts(std::uint32_t option, const std::string& data) {
    const auto query = context_query_in(data);
    const bool is_set = option == option_set_meta_context;
    if (!query || (is_set && !has_structured_replies_)) {
        reply(option, reply_invalid);
        return;
    }
    if (!exports_.has(query->name)) {
        reply(option, reply_unknown_export, "no such export");
        return;
    }
    const auto names_it = [&](const std::string& text) {
        return text == allocation_context || (!is_set && text == "base:");
    };
    const bool is_wanted =
        std::any_of(query->queries.begin(), query->queries.end(), names_it) || (!is_set && query->queries.empty());
    if (is_set) {
        allocation_of_ = is_wanted ? std::optional(query->name) : std::nullopt;
    }
    if (is_wanted) {
        std::string context;
        put_big(context, is_set ? allocation_context_id : 0);
        reply(option, reply_meta_context, context.append(allocation_context));
    }
    reply(option, reply_ack);
}

void NbdNegotiation::reply(std::uint32_t option, std::uint32_t type, const std::string& payload) {
    std::string text;
    put_big(text, option_reply_magic);
    put_big(text, option);
    put_big(text, type);
    put_big(text, static_cast<std::uint32_t>(payload.size()));
    write(text + payload);
}

std::string NbdNegotiation::read_text(std::size_t length) {
    std::string text(length, '\0');
    stream_.read(std::as_writable_bytes(std::span(text.data(), text.size())));
    return text;
}

void NbdNegotiation::write(const std::string& text) {
    stream_.write(bytes_of(text));
}

}  // namespace mk::volumes
