#pragma once
// Writes events for vma-api to stdout, a line each (contracts/engine_api.hpp). Thread-safe. Progress goes out at most
// four times a second, a change of stage at once; without news the last progress is repeated every few seconds as a
// sign of life.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "contracts/engine_api.hpp"
#include "engine/pass.hpp"

namespace mk {

class EventWriter {
  public:
    EventWriter();

    /// Asked for each event from now on: what went over the wire so far.
    void set_wire_count(std::function<Bytes()> wire_bytes);

    void progress(const engine::Progress& progress);
    void snapshot(const std::string& moref, const std::string& name);
    void result(const engine::PassReport& report);
    void error(const Error& error);

  private:
    void write_lists(const engine::DiskReport& disk);
    void write(const contracts::EngineEvent& event);
    void beat(const std::stop_token& stop);

    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::function<Bytes()> wire_bytes_;
    std::optional<contracts::EngineProgress> last_;
    std::chrono::steady_clock::time_point last_at_{};
    bool is_final_ = false;
    std::jthread heart_;  // last: it uses the others
};

}  // namespace mk
