#pragma once
// Source and sink on libnbd's asynchronous calls: the reference that passes the same conformance suite as our own
// client. Simple, not fast; waits without limit.

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <libnbd.h>

#include "base/error.hpp"
#include "block/block_sink.hpp"
#include "block/block_source.hpp"

namespace mk::test {

class LibnbdHandle {
  public:
    explicit LibnbdHandle(const std::string& uri) : handle_(nbd_create(), &nbd_close) {
        if (!handle_ || nbd_connect_uri(handle_.get(), uri.c_str()) == -1) {
            throw Error(ErrorCode::unavailable, nbd_get_error());
        }
    }
    nbd_handle* get() const { return handle_.get(); }
    Bytes size() const { return static_cast<Bytes>(nbd_get_size(handle_.get())); }
    Bytes max_request() const {
        const auto announced = nbd_get_block_size(handle_.get(), LIBNBD_SIZE_MAXIMUM);
        return announced > 0 ? std::min(static_cast<Bytes>(announced), 32 * MiB) : 32 * MiB;
    }
    static std::int64_t sent(std::int64_t cookie) {
        if (cookie == -1) {
            throw Error(ErrorCode::internal, nbd_get_error());
        }
        return cookie;
    }
    /// True when the request was answered; throws what it was answered with.
    bool is_answered(std::int64_t cookie) const {
        const int done = nbd_aio_command_completed(handle_.get(), static_cast<std::uint64_t>(cookie));
        if (done == -1) {
            throw Error(nbd_get_errno() == ENOSPC ? ErrorCode::exhausted : ErrorCode::external, nbd_get_error());
        }
        return done == 1;
    }
    void wait() const {
        if (nbd_poll(handle_.get(), -1) == -1) {
            throw Error(ErrorCode::unavailable, nbd_get_error());
        }
    }

  private:
    std::unique_ptr<nbd_handle, void (*)(nbd_handle*)> handle_;
};

class LibnbdReadChannel : public block::ReadChannel {
  public:
    explicit LibnbdReadChannel(const std::string& uri) : handle_(uri) {}
    void request(Range range) override {
        auto data = std::make_unique<std::vector<std::byte>>(range.length);
        const auto cookie = LibnbdHandle::sent(
            nbd_aio_pread(handle_.get(), data->data(), range.length, range.offset, NBD_NULL_COMPLETION, 0));
        flying_.push_back({range, std::move(data), cookie});
    }
    Reply receive(const std::stop_token&) override {
        while (true) {
            for (auto it = flying_.begin(); it != flying_.end(); ++it) {
                if (is_answered(it)) {
                    last_ = std::move(*it);
                    flying_.erase(it);
                    return {last_.range, *last_.data};
                }
            }
            handle_.wait();
        }
    }
    std::size_t in_flight() const override { return flying_.size(); }

  private:
    struct Flying {
        Range range;
        std::unique_ptr<std::vector<std::byte>> data;
        std::int64_t cookie = 0;
    };
    bool is_answered(std::vector<Flying>::iterator it) {
        try {
            return handle_.is_answered(it->cookie);
        } catch (const Error&) {
            flying_.erase(it);
            throw;
        }
    }
    std::vector<Flying> flying_;  // before the handle: it must be closed first
    Flying last_;
    LibnbdHandle handle_;
};

class LibnbdWriteChannel : public block::WriteChannel {
  public:
    explicit LibnbdWriteChannel(const std::string& uri) : handle_(uri) {}
    void write(Bytes offset, std::span<const std::byte> data, const std::stop_token&) override {
        auto copy = std::make_unique<std::vector<std::byte>>(data.begin(), data.end());
        const auto cookie = LibnbdHandle::sent(
            nbd_aio_pwrite(handle_.get(), copy->data(), copy->size(), offset, NBD_NULL_COMPLETION, 0));
        flying_.push_back({{offset, data.size()}, std::move(copy), cookie});
        sent_ += data.size();
    }
    void zero(Range range, const std::stop_token&) override {
        if (nbd_can_zero(handle_.get()) != 1) {
            write(range.offset, std::vector<std::byte>(range.length), {});
            return;
        }
        const auto cookie =
            LibnbdHandle::sent(nbd_aio_zero(handle_.get(), range.length, range.offset, NBD_NULL_COMPLETION, 0));
        flying_.push_back({range, nullptr, cookie});
    }
    void drain(const std::stop_token&) override {
        while (!flying_.empty()) {
            if (handle_.is_answered(flying_.front().cookie)) {
                flying_.erase(flying_.begin());
            } else {
                handle_.wait();
            }
        }
    }
    void flush(const std::stop_token& stop) override {
        drain(stop);
        if (nbd_flush(handle_.get(), 0) == -1) {
            throw Error(ErrorCode::external, nbd_get_error());
        }
    }
    std::vector<Range> unanswered() const override {
        std::vector<Range> ranges;
        for (const auto& flying : flying_) {
            ranges.push_back(flying.range);
        }
        return ranges;
    }
    std::chrono::nanoseconds send_wait() const override { return {}; }
    std::chrono::nanoseconds answer_wait() const override { return {}; }
    Bytes sent() const override { return sent_; }

  private:
    struct Flying {
        Range range;
        std::unique_ptr<std::vector<std::byte>> data;
        std::int64_t cookie = 0;
    };
    std::vector<Flying> flying_;  // before the handle: it must be closed first
    Bytes sent_ = 0;
    LibnbdHandle handle_;
};

class LibnbdSource : public block::BlockSource {
  public:
    explicit LibnbdSource(std::string uri) : uri_(std::move(uri)), first_(uri_) {}
    Bytes capacity() const override { return first_.size(); }
    Bytes max_request() const override { return first_.max_request(); }
    std::vector<block::Extent> extents(Range range, const std::stop_token&) override { return {{range, false}}; }
    std::unique_ptr<block::ReadChannel> open_channel(const std::stop_token&) override {
        return std::make_unique<LibnbdReadChannel>(uri_);
    }

  private:
    std::string uri_;
    LibnbdHandle first_;
};

class LibnbdSink : public block::BlockSink {
  public:
    explicit LibnbdSink(std::string uri) : uri_(std::move(uri)), first_(uri_) {}
    Bytes capacity() const override { return first_.size(); }
    Bytes max_request() const override { return first_.max_request(); }
    bool has_multi_conn() const override { return nbd_can_multi_conn(first_.get()) == 1; }
    std::unique_ptr<block::WriteChannel> open_channel(const std::stop_token&) override {
        return std::make_unique<LibnbdWriteChannel>(uri_);
    }
    std::string instance() const override { return {}; }

  private:
    std::string uri_;
    LibnbdHandle first_;
};

}  // namespace mk::test
