#pragma once
// One client of the NBD server: fixed newstyle negotiation, then simple replies until it leaves or is cut.
// Internal to the NBD server; runs on the connection's own thread.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "target/volumes/block_device.hpp"
#include "target/volumes/export_backend.hpp"
#include "target/volumes/socket_stream.hpp"

namespace mk::volumes {

class NbdConnection {
  public:
    /// The backend of an open export of that name and, when it is taken for transmission, registers the connection with
    /// it; nullptr when there is none.
    using FindExport = std::function<std::shared_ptr<ExportBackend>(const std::string& name, bool for_transmission)>;

    NbdConnection(int fd, FindExport find_export) : stream_(fd), find_export_(std::move(find_export)) {}
    /// Returns when the connection is over.
    void serve();

  private:
    struct Request {
        std::uint16_t flags = 0;
        std::uint16_t command = 0;
        std::uint64_t cookie = 0;
        Range range;
    };

    bool negotiate();
    bool answer_option(std::uint32_t option, const std::string& data);
    bool answer_info(std::uint32_t option, const std::string& data);
    bool begin_export_name(const std::string& name, bool no_zeroes);
    void reply_option(std::uint32_t option, std::uint32_t type, const std::string& payload = {});

    bool answer_request();
    std::uint32_t perform(const Request& request);
    std::uint32_t execute(const Request& request);
    void reply(const Request& request, std::uint32_t error, std::span<const std::byte> data = {});

    SocketStream stream_;
    FindExport find_export_;
    std::shared_ptr<ExportBackend> backend_;
    std::unique_ptr<AlignedBuffer> buffer_;
};

}  // namespace mk::volumes
