#include "source/vsphere/disk_readers.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "block/nbd.hpp"
#include "os/file.hpp"
#include "os/process.hpp"
#include "source/vsphere/nbdkit_process.hpp"
#include "source/vsphere/requests.hpp"
#include "source/vsphere/server_names.hpp"

namespace mk::vsphere {
namespace {

constexpr std::chrono::seconds probe_limit{10};

/// Only printed when the library was loaded: the plugin alone ends well without one (nbdkit-vddk-plugin, "DUMP-PLUGIN
/// OUTPUT").
constexpr std::string_view vddk_is_loaded = "vddk_library_version=";

/// Calls an action of a reader; NBD carries an errno at most, nbdkit's own words say what happened.
template <typename Action>
auto told(const NbdkitProcess& process, Action action) {
    const auto with_words = [&](const Error& error) {
        const auto words = process.last_words();
        return error.code() == ErrorCode::cancelled || words.empty()
                   ? error
                   : Error(error.code(), error.cause() + " (" + words + ")", error.advice())
                         .with_native(error.native());
    };
    try {
        return action();
    } catch (const block::ReadFailure& failure) {
        throw block::ReadFailure(with_words(failure), failure.range());
    } catch (const Error& error) {
        throw Error(with_words(error));
    }
}

/// Keeps nbdkit running as long as it is used.
class NbdkitChannel : public block::ReadChannel {
  public:
    NbdkitChannel(std::shared_ptr<NbdkitProcess> process, std::unique_ptr<block::ReadChannel> channel)
        : process_(std::move(process)), channel_(std::move(channel)) {}
    void request(Range range) override { channel_->request(range); }
    Reply receive(const std::stop_token& stop) override {
        return told(*process_, [&] { return channel_->receive(stop); });
    }
    std::size_t in_flight() const override { return channel_->in_flight(); }

  private:
    const std::shared_ptr<NbdkitProcess> process_;  // the connection goes first
    const std::unique_ptr<block::ReadChannel> channel_;
};

class NbdkitReader : public block::BlockSource {
  public:
    NbdkitReader(std::shared_ptr<NbdkitProcess> process, const std::stop_token& stop)
        : process_(std::move(process)), source_(told(*process_, [&] {
              return block::open_nbd_source(process_->uri(), {.max_request = 2 * MiB}, stop);
          })) {}
    Bytes capacity() const override { return source_->capacity(); }
    Bytes max_request() const override { return source_->max_request(); }
    std::unique_ptr<block::ReadChannel> open_channel(const std::stop_token& stop) override {
        return std::make_unique<NbdkitChannel>(process_, told(*process_, [&] { return source_->open_channel(stop); }));
    }
    std::vector<block::Extent> extents(Range range, const std::stop_token& stop) override {
        return source_->extents(range, stop);
    }

  private:
    const std::shared_ptr<NbdkitProcess> process_;  // the connections go first
    const std::unique_ptr<block::BlockSource> source_;
};

bool plugin_works(const std::vector<std::string>& command, std::string_view expected = {}) {
    try {
        if (!os::is_installed("nbdkit")) {
            return false;
        }
        const auto exit = os::run({.argv = command}, probe_limit);
        return exit.ok() && exit.output.find(expected) != std::string::npos;
    } catch (const Error& error) {
        log::debug("a reader is not available: {}", error.cause());
        return false;
    }
}

bool has_vddk(const ReaderOptions& options) {
    return !options.vddk_library_folder.empty() &&
           plugin_works({"nbdkit", "vddk", "--dump-plugin", "libdir=" + options.vddk_library_folder}, vddk_is_loaded);
}

}  // namespace

std::vector<std::string> available_readers(const ReaderOptions& options) {
    std::vector<std::string> readers;
    if (plugin_works({"nbdkit", "curl", "--dump-plugin"})) {
        readers.emplace_back("folder");
    }
    if (has_vddk(options)) {
        readers.emplace_back("vddk");
    }
    return readers;
}

DiskReaders::DiskReaders(std::shared_ptr<Session> session, Address address, http::TlsTrust trust,
                         const ReaderOptions& options)
    : session_(std::move(session)), address_(std::move(address)), trust_(std::move(trust)), options_(options) {
    session_->on_login(
        [file = folder_.file("cookie")](const std::string& cookie) { os::write_file_atomically(file, cookie); });
}

DiskReaders::~DiskReaders() {
    session_->on_login({});
}

std::shared_ptr<ReconnectingSource> DiskReaders::open(const ReaderTarget& target, const std::stop_token& stop) {
    ReconnectingSource::Hooks hooks{
        [this, target](const std::stop_token& reader_stop) { return start_reader(target, reader_stop); },
        [this](const Error& failure, int attempt, const std::stop_token& repair_stop) {
            repair_session(failure, attempt, repair_stop);
        }};
    return ReconnectingSource::open(target.file_name, target.capacity, std::move(hooks), session_->pacing(), stop);
}

std::unique_ptr<block::BlockSource> DiskReaders::start_reader(const ReaderTarget& target, const std::stop_token& stop) {
    const auto number = std::to_string(next_reader_.fetch_add(1));
    const ReaderFiles files{folder_.file("r" + number + ".sock"), folder_.file("r" + number + ".pid")};
    auto process = std::make_shared<NbdkitProcess>(target.file_name, command_for(target, files), files, stop);
    return std::make_unique<NbdkitReader>(std::move(process), stop);
}

std::vector<std::string> DiskReaders::command_for(const ReaderTarget& target, const ReaderFiles& files) {
    if (uses_vddk()) {
        std::call_once(vddk_files_, [this] { write_vddk_files(); });
        return vddk_reader_command({files, options_.vddk_library_folder, address_, session_->login().username,
                                    folder_.file("password"), session_->certificate().sha1, folder_.file("vddk.conf"),
                                    target.vm, target.snapshot, target.file_name});
    }
    const auto way = route();
    return folder_reader_command({files, folder_url(way.base_url, target.datacenter, target.file_name),
                                  folder_.file("cookie"), way.ca_file, way.ca_folder, way.relay_socket});
}

bool DiskReaders::uses_vddk() {
    std::call_once(vddk_probe_, [this] { uses_vddk_ = has_vddk(options_); });
    return uses_vddk_;
}

/// Not before a disk is read: most sessions never need the password in a file.
void DiskReaders::write_vddk_files() {
    os::write_file_atomically(folder_.file("password"), session_->login().password.reveal());
    os::write_file_atomically(folder_.file("vddk.conf"), vddk_tuning());
}

DiskReaders::Route DiskReaders::route() {
    if (trust_.sha256_pin.empty()) {
        return {address_.base_url(), trust_.ca_file, "", ""};
    }
    const auto pem = session_->certificate().pem;
    Route way{address_.base_url(), folder_.file("server.pem"), folder_.file("no-authorities"), ""};
    const std::lock_guard lock(route_mutex_);
    os::write_file_atomically(way.ca_file, pem);
    os::make_folders(way.ca_folder);
    if (certificate_names(pem, address_.host)) {
        return way;
    }
    const auto name = usable_name(pem);
    if (!name) {
        throw Error(
            ErrorCode::conflict, "the certificate of " + address_.authority() + " carries no host name",
            {.consequence = "Its disks cannot be read over HTTPS: the reader verifies names.",
             .remedy = "Give vCenter a certificate with a subject alternative name, or install VDDK on the appliance.",
             .retry_safe = true});
    }
    if (!relay_) {
        relay_ = std::make_unique<Relay>(folder_.file("relay.sock"), address_.host, address_.port);
    }
    way.base_url = Address{*name, address_.port, address_.path}.base_url();
    way.relay_socket = relay_->socket_path();
    return way;
}

/// First the cheap way: any call notices a lost session and logs in again. A server that answers calls but refuses
/// downloads needs a new session; other troubles of the download do not, and a new one would cut off everybody else's
/// views.
void DiskReaders::repair_session(const Error& failure, int attempt, const std::stop_token& stop) {
    const bool is_refused = failure.cause().find("error: 401") != std::string::npos ||
                            failure.cause().find("error: 403") != std::string::npos;
    if (attempt > 1 && (is_refused || attempt + 1 == ReconnectingSource::tries)) {
        session_->renew(stop);
        return;
    }
    static_cast<void>(session_->call({"looking whether the session lives", requests::current_time()}, stop));
}

}  // namespace mk::vsphere
