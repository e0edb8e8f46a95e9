#include "http/request_reader.hpp"

#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "http/header_text.hpp"
#include "http/url.hpp"
#include "http/wire.hpp"

namespace mk::http {
namespace {

namespace beast_http = boost::beast::http;

// The parser limits headers and bodies itself, but not what stands before a chunk: an endless chunk extension ends
// here.
constexpr std::size_t max_chunk_header = 16 * 1024;

std::string text_of(boost::beast::string_view view) {
    return std::string(view.data(), view.size());
}

}  // namespace

struct RequestReader::State {
    beast_http::request_parser<beast_http::string_body> parser;
    bool has_told_header = false;
    std::optional<Target> target;
    std::optional<Refusal> refusal;
};

RequestReader::RequestReader(std::size_t header_limit, std::size_t body_limit)
    : header_limit_(header_limit), body_limit_(body_limit) {
    reset();
}
RequestReader::~RequestReader() = default;

void RequestReader::reset() {
    state_ = std::make_unique<State>();
    state_->parser.header_limit(static_cast<std::uint32_t>(header_limit_));
    state_->parser.body_limit(body_limit_);
}

RequestReader::Progress RequestReader::refuse(int status, std::string cause) {
    state_->refusal = Refusal{status, Error(ErrorCode::invalid, std::move(cause))};
    return Progress::refused;
}

RequestReader::Progress RequestReader::consume(std::string& input) {
    auto& parser = state_->parser;
    while (!parser.is_done()) {
        if (input.empty()) {
            return Progress::needs_more;
        }
        boost::system::error_code code;
        const auto used = parser.put(boost::asio::buffer(input), code);
        input.erase(0, used);
        if (code == beast_http::error::header_limit) {
            return refuse(431, "the header of the request is larger than " + std::to_string(header_limit_) + " bytes");
        }
        if (code == beast_http::error::body_limit) {
            return refuse(413, "the body of the request is larger than " + std::to_string(body_limit_) + " bytes");
        }
        if (code && code != beast_http::error::need_more) {
            return refuse(400, "the request is not valid HTTP: " + code.message());
        }
        if (parser.is_header_done() && !state_->has_told_header) {
            return on_header();
        }
        if (used == 0) {
            return input.size() > header_limit_ + max_chunk_header
                       ? refuse(400, "the request is not valid HTTP: a chunk header without end")
                       : Progress::needs_more;
        }
    }
    // A request without body is done together with its header.
    return state_->has_told_header ? Progress::complete : on_header();
}

RequestReader::Progress RequestReader::on_header() {
    state_->has_told_header = true;
    const auto& head = state_->parser.get();
    if (head.version() >= 11 && head.count(beast_http::field::host) != 1) {
        return refuse(400, "the request does not have exactly one Host header");
    }
    state_->target = parse_target({head.target().data(), head.target().size()});
    if (!state_->target) {
        return refuse(400, "the target of the request is malformed");
    }
    state_->parser.eager(true);
    return Progress::header_complete;
}

bool RequestReader::is_head() const {
    return state_->parser.get().method() == beast_http::verb::head;
}

bool RequestReader::keeps_alive() const {
    return state_->parser.keep_alive();
}

bool RequestReader::expects_continue() const {
    return !state_->parser.is_done() &&
           lower_case(text_of(state_->parser.get()[beast_http::field::expect])) == "100-continue";
}

const Refusal& RequestReader::refusal() const {
    return state_->refusal.value();
}

ServerRequest RequestReader::take() {
    auto message = state_->parser.release();
    ServerRequest request;
    request.method = text_of(message.method_string());
    request.path = std::move(state_->target->path);
    request.raw_path = std::move(state_->target->raw_path);
    request.query = std::move(state_->target->query);
    for (const auto& field : message) {
        request.headers.insert_or_assign(lower_case(text_of(field.name_string())), text_of(field.value()));
    }
    const auto offered = request.headers.find("x-request-id");
    request.request_id = request_id_from(offered == request.headers.end() ? std::string() : offered->second);
    request.body = std::move(message.body());
    return request;
}

}  // namespace mk::http
