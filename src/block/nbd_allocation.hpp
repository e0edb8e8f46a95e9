#pragma once
// What of an export is allocated, asked through libnbd (base:allocation) on a connection of its own. Internal to
// block/. One thread at a time.

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <libnbd.h>

#include "block/block_source.hpp"

namespace mk::os {
class StopEvent;
}

namespace mk::block {

class NbdAllocation {
  public:
    /// Connects. Throws Error{unavailable, not_found, timeout, cancelled}.
    NbdAllocation(const std::string& uri, std::chrono::milliseconds limit, const std::stop_token& stop);
    ~NbdAllocation();
    NbdAllocation(const NbdAllocation&) = delete;
    NbdAllocation& operator=(const NbdAllocation&) = delete;

    /// At least one extent from the start of the range; together they may be shorter than it, never longer. Nothing
    /// when the server cannot tell or answers with an error. Throws Error{unavailable, timeout, cancelled}; the
    /// connection is useless then.
    std::vector<Extent> query(Range range, const std::stop_token& stop);

  private:
    void connect(const std::string& uri, const os::StopEvent& stop);
    void open_export(const os::StopEvent& stop);
    /// Serves the connection until `is_done`.
    void serve_until(const std::function<bool()>& is_done, const char* what, const os::StopEvent& stop);
    /// Handles one event of the connection.
    void step(const char* what, const os::StopEvent& stop, std::chrono::steady_clock::time_point deadline);

    std::unique_ptr<nbd_handle, void (*)(nbd_handle*)> handle_;  ///< null after an error
    const std::string peer_;
    const std::chrono::milliseconds limit_;
};

}  // namespace mk::block
