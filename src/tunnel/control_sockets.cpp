#include "tunnel/control_sockets.hpp"

#include <algorithm>
#include <vector>

#include <poll.h>

#include "base/log.hpp"
#include "os/socket.hpp"
#include "os/stop_event.hpp"
#include "tunnel/sockets.hpp"

namespace mk::tunnel {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

ControlSockets::ControlSockets(std::string folder, Connected connected)
    : folder_(std::move(folder)), connected_(std::move(connected)) {
    os::make_folders(folder_);
}

ControlSockets::~ControlSockets() {
    try {
        follow({});
    } catch (const Error& error) {
        log::warn("control_socket_left reason=\"{}\"", error.cause());
    }
}

std::string ControlSockets::path_of(const std::string& appliance_id) const {
    return folder_ + "/" + appliance_id + ".sock";
}

void ControlSockets::follow(const std::vector<Pairing>& pairings) {
    const auto is_paired = [&](const std::string& id) {
        return std::any_of(pairings.begin(), pairings.end(),
                           [&](const Pairing& pairing) { return pairing.appliance_id == id; });
    };
    for (auto entry = listeners_.begin(); entry != listeners_.end();) {
        if (is_paired(entry->first)) {
            ++entry;
            continue;
        }
        os::remove_file(path_of(entry->first));
        entry = listeners_.erase(entry);
    }
    for (const auto& pairing : pairings) {
        // Those with an address are a VMA's view of its gateway.
        if (pairing.address.empty() && !listeners_.contains(pairing.appliance_id)) {
            listeners_[pairing.appliance_id] = os::listen_unix(path_of(pairing.appliance_id));
        }
    }
}

void ControlSockets::serve_until(steady_clock::time_point deadline, const std::stop_token& stop) {
    const os::StopEvent stop_event(stop);
    std::vector<pollfd> entries{{stop_event.descriptor(), POLLIN, 0}};
    std::vector<std::string> ids{""};
    for (const auto& [id, listener] : listeners_) {
        entries.push_back({listener.get(), POLLIN, 0});
        ids.push_back(id);
    }
    while (!stop.stop_requested()) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
        if (left <= milliseconds::zero() ||
            ::poll(entries.data(), entries.size(), static_cast<int>(left.count())) == 0) {
            return;
        }
        for (std::size_t i = 1; i < entries.size(); ++i) {
            if ((entries[i].revents & POLLIN) == 0) {
                continue;
            }
            if (auto local = os::accept_now(entries[i].fd)) {
                connected_(ids[i], std::move(local));
            }
        }
    }
}

}  // namespace mk::tunnel
