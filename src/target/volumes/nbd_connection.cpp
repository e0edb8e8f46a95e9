#include "target/volumes/nbd_connection.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "target/volumes/nbd_protocol.hpp"

namespace mk::volumes {
namespace {

using namespace nbd;
constexpr std::uint32_t longest_option = 8 * KiB;  // names have at most 4096 bytes
constexpr int most_options = 64;
constexpr std::chrono::seconds negotiation_limit{15};

std::uint32_t number_of(const Error& error) {
    switch (error.code()) {
        case ErrorCode::exhausted:
            return enospc;
        case ErrorCode::invalid:
            return einval;
        default:
            return eio;
    }
}

/// The name of NBD_OPT_INFO and NBD_OPT_GO; nothing when the option is malformed.
std::optional<std::string> requested_name(const std::string& data) {
    const auto number_at = [&](std::size_t at, std::size_t bytes) {
        std::size_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i) {
            value = value << 8 | static_cast<unsigned char>(data[at + i]);
        }
        return value;
    };
    if (data.size() < 6) {
        return std::nullopt;
    }
    const auto length = number_at(0, 4);
    if (length > data.size() - 6) {
        return std::nullopt;
    }
    const auto count = number_at(4 + length, 2);
    return data.size() == 6 + length + 2 * count ? std::optional(data.substr(4, length)) : std::nullopt;
}

}  // namespace

void NbdConnection::serve() {
    try {
        stream_.set_deadline(std::chrono::steady_clock::now() + negotiation_limit);
        if (!negotiate()) {
            return;
        }
        stream_.clear_deadline();
        while (answer_request()) {
        }
    } catch (const Disconnected&) {
        return;
    }
}

bool NbdConnection::negotiate() {
    std::string hello;
    put_big(hello, magic);
    put_big(hello, option_magic);
    put_big(hello, static_cast<std::uint16_t>(handshake_fixed_newstyle | handshake_no_zeroes));
    stream_.write(hello);
    const auto flags = stream_.read_number<std::uint32_t>();
    if ((flags & ~std::uint32_t{handshake_fixed_newstyle | handshake_no_zeroes}) != 0) {
        return false;
    }
    for (int options = 0; options < most_options; ++options) {
        if (stream_.read_number<std::uint64_t>() != option_magic) {
            return false;
        }
        const auto option = stream_.read_number<std::uint32_t>();
        const auto length = stream_.read_number<std::uint32_t>();
        if (length > longest_option) {
            return false;
        }
        const auto data = stream_.read_text(length);
        if (option == opt_abort) {
            reply_option(option, rep_ack);
            return false;
        }
        if (option == opt_export_name) {
            return begin_export_name(data, (flags & handshake_no_zeroes) != 0);
        }
        if (answer_option(option, data)) {
            return true;
        }
    }
    return false;
}

/// True when transmission begins.
bool NbdConnection::answer_option(std::uint32_t option, const std::string& data) {
    if (option == opt_info || option == opt_go) {
        return answer_info(option, data);
    }
    if (option == opt_list) {
        // Names are what opens an export: none are told.
        reply_option(option, data.empty() ? rep_ack : rep_err_invalid);
    } else {
        reply_option(option, rep_err_unsup);
    }
    return false;
}

bool NbdConnection::answer_info(std::uint32_t option, const std::string& data) {
    const auto name = requested_name(data);
    if (!name) {
        reply_option(option, rep_err_invalid);
        return false;
    }
    const auto backend = find_export_(*name, option == opt_go);
    if (!backend) {
        reply_option(option, rep_err_unknown, "no such export");
        return false;
    }
    std::string info;
    put_big(info, info_export);
    put_big(info, static_cast<std::uint64_t>(backend->size()));
    put_big(info, transmission_flags);
    reply_option(option, rep_info, info);
    std::string sizes;
    put_big(sizes, info_block_size);
    put_big(sizes, std::uint32_t{1});
    put_big(sizes, preferred_request);
    put_big(sizes, largest_request);
    reply_option(option, rep_info, sizes);
    reply_option(option, rep_ack);
    if (option == opt_go) {
        backend_ = backend;
    }
    return option == opt_go;
}

bool NbdConnection::begin_export_name(const std::string& name, bool no_zeroes) {
    backend_ = find_export_(name, true);
    if (!backend_) {
        return false;  // this option has no error reply
    }
    std::string answer;
    put_big(answer, static_cast<std::uint64_t>(backend_->size()));
    put_big(answer, transmission_flags);
    if (!no_zeroes) {
        answer.append(124, '\0');
    }
    stream_.write(answer);
    return true;
}

void NbdConnection::reply_option(std::uint32_t option, std::uint32_t type, const std::string& payload) {
    std::string reply;
    put_big(reply, option_reply_magic);
    put_big(reply, option);
    put_big(reply, type);
    put_big(reply, static_cast<std::uint32_t>(payload.size()));
    stream_.write(reply + payload);
}

/// False when the connection is over.
bool NbdConnection::answer_request() {
    if (stream_.read_number<std::uint32_t>() != request_magic) {
        return false;
    }
    Request request;
    request.flags = stream_.read_number<std::uint16_t>();
    request.command = stream_.read_number<std::uint16_t>();
    request.cookie = stream_.read_number<std::uint64_t>();
    request.range.offset = stream_.read_number<std::uint64_t>();
    request.range.length = stream_.read_number<std::uint32_t>();
    if (request.command == cmd_disconnect) {
        return false;
    }
    const bool moves_data = request.command == cmd_read || request.command == cmd_write;
    if (moves_data && request.range.length > largest_request) {
        if (request.command == cmd_write) {
            return false;  // the payload that follows is more than we agreed to take
        }
        reply(request, eoverflow);
        return true;
    }
    if (moves_data && (!buffer_ || buffer_->size() < request.range.length)) {
        buffer_ = std::make_unique<AlignedBuffer>(request.range.length);
    }
    if (request.command == cmd_write) {
        stream_.read(buffer_->first(request.range.length));
    }
    const auto error = perform(request);
    const bool has_data = error == ok && request.command == cmd_read;
    reply(request, error,
          has_data ? std::span<const std::byte>(buffer_->first(request.range.length)) : std::span<const std::byte>());
    return true;
}

std::uint32_t NbdConnection::perform(const Request& request) {
    const auto size = backend_->size();
    const bool has_range = request.command != cmd_flush;
    if (has_range && (request.range.offset > size || request.range.length > size - request.range.offset)) {
        return request.command == cmd_read || request.command == cmd_trim ? einval : enospc;
    }
    try {
        const auto error = execute(request);
        if (error == ok && (request.flags & flag_fua) != 0 && request.command != cmd_read) {
            backend_->flush();
        }
        return error;
    } catch (const Error& error) {
        log::error("nbd command={} offset={} length={} failed: {}", request.command, request.range.offset,
                   request.range.length, error.full_text());
        return number_of(error);
    }
}

std::uint32_t NbdConnection::execute(const Request& request) {
    switch (request.command) {
        case cmd_read:
            backend_->read(request.range.offset, buffer_->first(request.range.length));
            return ok;
        case cmd_write:
            backend_->write(request.range.offset, buffer_->first(request.range.length));
            return ok;
        case cmd_flush:
            backend_->flush();
            return ok;
        case cmd_trim:
            return ok;  // advisory: nothing is discarded, so that nothing can be discarded wrongly
        case cmd_write_zeroes:
            backend_->zero(request.range, (request.flags & flag_no_hole) != 0);
            return ok;
        default:
            return einval;
    }
}

void NbdConnection::reply(const Request& request, std::uint32_t error, std::span<const std::byte> data) {
    std::string head;
    put_big(head, reply_magic);
    put_big(head, error);
    put_big(head, request.cookie);
    stream_.write(head);
    stream_.write(data);
}

}  // namespace mk::volumes
