#include "target.hpp"

#include "base/error.hpp"
#include "block/nbd.hpp"
#include "digest_client.hpp"
#include "tunnel/metered_stream.hpp"

namespace mk {

namespace {

constexpr std::string_view tunnel_scheme = "tunnel:///";

}  // namespace

bool is_through_tunnel(const std::string& target_uri) {
    return target_uri.starts_with(tunnel_scheme);
}

std::string session_of(const std::string& target_uri) {
    if (!is_through_tunnel(target_uri)) {
        return block::nbd_endpoint(target_uri).export_name;
    }
    const std::string name = target_uri.substr(tunnel_scheme.size());
    if (name.empty() || name.find('/') != std::string::npos) {
        throw Error(ErrorCode::invalid, "'" + target_uri + "' names no export",
                    {.remedy = "A target is tunnel:///EXPORT or an NBD URI."});
    }
    return name;
}

NbdTarget::NbdTarget(const contracts::PassRequest& request, std::string tunnel_folder)
    : tunnel_folder_(std::move(tunnel_folder)),
      bucket_(std::make_shared<tunnel::TokenBucket>(request.bytes_per_second)) {
    for (const contracts::PassDisk& disk : request.disks) {
        uris_[disk.disk_id] = disk.target_uri;
    }
}

tunnel::DialOptions NbdTarget::dial_options() const {
    if (tunnel_folder_.empty()) {
        throw Error(ErrorCode::invalid, "the target is behind the tunnel, but this engine knows no tunnel",
                    {.remedy = "Set tunnel.folder in the VMA's configuration and pair it with its OMA."});
    }
    return {.folder = tunnel_folder_, .bucket = bucket_};
}

std::unique_ptr<block::BlockSink> NbdTarget::open_sink(const std::string& uri, const std::stop_token& stop) {
    block::NbdEndpoint endpoint;
    if (is_through_tunnel(uri)) {
        endpoint.export_name = session_of(uri);
        endpoint.display_name = uri;
        endpoint.dial = [options = dial_options(), traffic = traffic_](const std::stop_token& stopped) {
            return tunnel::dial(options, tunnel::alpn::nbd_zstd, traffic, stopped);
        };
    } else {
        endpoint = block::nbd_endpoint(uri);
        endpoint.dial = [plain = std::move(endpoint.dial), bucket = bucket_,
                         traffic = traffic_](const std::stop_token& stopped) {
            return tunnel::metered(plain(stopped), bucket, traffic);
        };
    }
    return block::open_nbd_sink(std::move(endpoint), {}, stop);
}

std::unique_ptr<block::BlockSink> NbdTarget::open(const DiskId& disk, const std::stop_token& stop) {
    try {
        return open_sink(uris_.at(disk), stop);
    } catch (const Error& error) {
        throw error.within("the target of " + disk.value)
            .advised({.consequence = "No snapshot was taken; the last recovery point is unchanged.",
                      .remedy = "Check that the Volume Daemon runs and is reachable from here, then repeat the sync.",
                      .retry_safe = true});
    }
}

std::unique_ptr<engine::TargetDigests> NbdTarget::open_digests(const DiskId& disk, const std::stop_token& stop) {
    const std::string& uri = uris_.at(disk);
    if (!is_through_tunnel(uri)) {
        throw Error(ErrorCode::conflict,
                    "the target of " + disk.value +
                        " cannot tell digests: it is not reached "
                        "through the tunnel",
                    {.consequence = "Nothing was compared.", .remedy = "Compare through the tunnel only."});
    }
    const auto dial = [options = dial_options(), traffic = traffic_](const std::stop_token& stopped) {
        return tunnel::dial(options, tunnel::alpn::digest, traffic, stopped);
    };
    return std::make_unique<DigestClient>(session_of(uri), dial(stop));
}

}  // namespace mk
