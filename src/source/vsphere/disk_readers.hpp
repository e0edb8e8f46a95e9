#pragma once
// Opens disks of a snapshot through the transport that works here: VDDK where the operator has it, otherwise /folder
// over HTTPS. Owns what readers share: the cookie file, the trusted certificate, the relay. Thread-safe.
//
// Trust of the folder reader. With CA verification: the same authorities and the name check. With a pin: the plugin
// trusts exactly the pinned certificate, whose PEM comes from our own verified connection, and checks the name; an
// address that the certificate does not name is reached under one of its names through a relay. Verification is never
// switched off. A certificate without any usable name, or an expired one, cannot be read this way and is refused.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "block/block_source.hpp"
#include "http/client.hpp"
#include "source/vsphere/findings.hpp"
#include "source/vsphere/private_folder.hpp"
#include "source/vsphere/reader_commands.hpp"
#include "source/vsphere/reconnecting_source.hpp"
#include "source/vsphere/relay.hpp"
#include "source/vsphere/vsphere.hpp"

namespace mk::vsphere {

struct ReaderTarget {
    Moref vm;
    Moref snapshot;
    std::string datacenter;  ///< empty on an ESXi host
    std::string file_name;   ///< as the snapshot names it
    Bytes capacity = 0;
};

class DiskReaders {
  public:
    DiskReaders(std::shared_ptr<Session> session, Address address, http::TlsTrust trust, const ReaderOptions& options);
    ~DiskReaders();
    DiskReaders(const DiskReaders&) = delete;
    DiskReaders& operator=(const DiskReaders&) = delete;

    /// Looks for VDDK at the first call, which takes a moment.
    ReaderLimits limits() { return {.only_base_files = !uses_vddk()}; }
    std::shared_ptr<ReconnectingSource> open(const ReaderTarget& target, const std::stop_token& stop);

  private:
    /// What nbdkit must be told to reach and trust the server.
    struct Route {
        std::string base_url;
        std::string ca_file;
        std::string ca_folder;
        std::string relay_socket;
    };

    std::unique_ptr<block::BlockSource> start_reader(const ReaderTarget& target, const std::stop_token& stop);
    std::vector<std::string> command_for(const ReaderTarget& target, const ReaderFiles& files);
    bool uses_vddk();
    void write_vddk_files();
    Route route();
    void repair_session(const Error& failure, int attempt, const std::stop_token& stop);

    const std::shared_ptr<Session> session_;
    const Address address_;
    const http::TlsTrust trust_;
    const ReaderOptions options_;
    const PrivateFolder folder_;
    std::atomic<int> next_reader_ = 1;

    std::mutex route_mutex_;  // protects the relay and the files of the route
    std::unique_ptr<Relay> relay_;

    std::once_flag vddk_probe_;
    bool uses_vddk_ = false;
    std::once_flag vddk_files_;
};

}  // namespace mk::vsphere
