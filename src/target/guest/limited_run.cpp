#include "target/guest/limited_run.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace mk::guest {

namespace {

/// What QEMU maps beside the guest's RAM: 1 GiB of translated code under emulation, a heap arena per thread, libraries.
constexpr Bytes address_space_beside_ram = 6 * GiB;

os::Command limited(const LimitedCommand& order, const Tools& tools, const RunFolder& folder) {
    const Bytes address_space = static_cast<Bytes>(std::max(order.appliance_mib, 0)) * MiB + address_space_beside_ram;
    os::Command command;
    // pdeathsig: when this service dies, nobody may go on writing to the volumes.
    command.argv = {"prlimit", "--as=" + std::to_string(address_space), "--core=0", "setpriv", "--pdeathsig", "TERM"};
    command.argv.insert(command.argv.end(), order.argv.begin(), order.argv.end());
    command.environment = {{"LIBGUESTFS_BACKEND", "direct"},
                           {"LIBGUESTFS_DEBUG", "0"},
                           {"LIBGUESTFS_TRACE", "0"},
                           {"LIBGUESTFS_CACHEDIR", tools.cache_folder},
                           {"LIBGUESTFS_TMPDIR", folder.path()},
                           {"TMPDIR", folder.path()},
                           {"VIRT_V2V_TMPDIR", folder.path()},
                           {"XDG_RUNTIME_DIR", folder.path()},
                           {"LC_ALL", "C.UTF-8"},
                           folder.mark()};
    if (tools.force_emulation) {
        command.environment.emplace_back("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg");
    }
    command.environment.insert(command.environment.end(), order.environment.begin(), order.environment.end());
    return command;
}

/// Keeps note of the run's sockets: after a crash nobody could tell any more whose they are. Often in the beginning,
/// when appliances are started, and rarer later.
std::jthread watch_sockets(const RunFolder& folder) {
    return std::jthread([&folder](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any ended;
        for (std::chrono::milliseconds pause{500}; !stop.stop_requested();
             pause = std::min<std::chrono::milliseconds>(pause * 6 / 5, std::chrono::seconds{30})) {
            std::unique_lock lock(mutex);
            ended.wait_for(lock, stop, pause, [] { return false; });
            folder.note_sockets();
        }
    });
}

}  // namespace

LimitedExit run_limited(const LimitedCommand& command, const Tools& tools, const RunFolder& folder,
                        const std::stop_token& stop, const LineSink& on_stdout, const LineSink& on_stderr) {
    LimitedExit result;
    std::stop_source ours;
    const std::stop_callback relay(stop, [&] {
        folder.note_sockets();
        ours.request_stop();
    });
    Bytes said = 0;
    const auto counted = [&](const LineSink& sink) -> LineSink {
        return [&, sink](const std::string& line) {
            said += line.size() + 1;
            if (said > command.output_limit) {
                result.said_too_much = true;
                ours.request_stop();
            } else if (sink) {
                sink(line);
            }
        };
    };
    const auto watcher = watch_sockets(folder);
    result.exit = os::run(limited(command, tools, folder), command.time, ours.get_token(), counted(on_stdout),
                          counted(on_stderr));
    return result;
}

void CappedLog::line(const std::string& text) {
    if (text.size() < left_) {
        left_ -= text.size() + 1;
        if (sink_) {
            sink_(text);
        }
        return;
    }
    left_ = 0;
    ++dropped_lines_;
    dropped_bytes_ += text.size() + 1;
}

void CappedLog::finish() {
    if (dropped_lines_ > 0 && sink_) {
        sink_("... " + std::to_string(dropped_lines_) + " more lines (" + format_bytes(dropped_bytes_) +
              ") were not kept");
    }
    dropped_lines_ = 0;
}

}  // namespace mk::guest
