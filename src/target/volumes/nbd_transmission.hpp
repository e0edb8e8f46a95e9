#pragma once
// The second phase of a connection: requests and replies until the client leaves or is cut. Internal to the NBD server;
// runs on the connection's thread, with buffers of fixed size whatever the client sends.
//
// Writes that follow each other on the disk and have arrived already are done as one, up to a MiB; replies are held
// back only while the next request is here already. A write is answered after the backend took it.

#include <functional>
#include <string>
#include <vector>

#include "os/byte_stream.hpp"
#include "target/volumes/block_device.hpp"
#include "target/volumes/nbd_negotiation.hpp"
#include "target/volumes/nbd_request_reader.hpp"

namespace mk::volumes {

class NbdTransmission {
  public:
    NbdTransmission(os::ByteStream& stream, const NbdAgreement& agreement);
    /// Returns when the client left or broke the protocol. Throws Error as the stream.
    void run();

  private:
    bool answer(const NbdRequest& request);
    bool is_within_size(Range range) const;

    void write_run(NbdRequest request);
    void write_long(const NbdRequest& request);
    void skip_payload(const NbdRequest& request, std::uint32_t error);
    bool continues(Range run, const NbdRequest& next) const;

    void read(const NbdRequest& request);
    void send_data(const NbdRequest& request, Range slice, std::span<const std::byte> data);
    void tell_allocation(const NbdRequest& request);
    std::uint32_t perform_simple(const NbdRequest& request);

    std::uint32_t attempt(const NbdRequest& request, const std::function<void()>& action);
    void reply(std::uint64_t cookie, std::uint32_t error);
    void reply_error_chunk(std::uint64_t cookie, std::uint32_t error);
    void begin_chunk(std::uint16_t flags, std::uint16_t type, std::uint64_t cookie, std::size_t length);
    void send_replies();

    os::ByteStream& stream_;
    ExportBackend& backend_;
    const bool has_structured_replies_;
    const bool has_allocation_;
    const Bytes size_;
    NbdRequestReader reader_;
    AlignedBuffer buffer_;
    std::string replies_;  ///< not sent yet
    std::vector<std::uint64_t> run_cookies_;
    bool has_told_error_ = false;
};

}  // namespace mk::volumes
