// migratekit-engine --parent PID --appliance-id ID [--vddk-library-folder FOLDER]: copies one machine once. The order
// comes as JSON on stdin, events go to stdout, the log to stderr (contracts/engine_api.hpp). SIGTERM, or the death of
// the parent, stops the copy and removes the snapshot.

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

#include <sys/prctl.h>
#include <unistd.h>

#include "adapters.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "engine/pass.hpp"
#include "event_writer.hpp"
#include "os/file.hpp"
#include "os/signals.hpp"
#include "os/termination_listener.hpp"

namespace {

using namespace mk;

constexpr std::size_t longest_order = 4 * MiB;

struct Flags {
    long parent = 0;
    std::string appliance_id;
    std::string vddk_library_folder;
};

Flags parse_flags(int argc, char** argv) {
    Flags flags;
    for (int i = 1; i < argc; ++i) {
        const std::string flag = argv[i];
        if (i + 1 < argc && flag == "--parent") {
            flags.parent = std::strtol(argv[++i], nullptr, 10);
        } else if (i + 1 < argc && flag == "--appliance-id") {
            flags.appliance_id = argv[++i];
        } else if (i + 1 < argc && flag == "--vddk-library-folder") {
            flags.vddk_library_folder = argv[++i];
        } else {
            throw Error(ErrorCode::invalid, "unknown argument '" + flag + "'",
                        {.remedy = "This program is started by vma-api."});
        }
    }
    return flags;
}

std::string read_order() {
    std::string text;
    char piece[16 * KiB];
    for (;;) {
        const ssize_t got = ::read(STDIN_FILENO, piece, sizeof piece);
        if (got == 0) {
            return text;
        }
        if (got < 0 && errno != EINTR) {
            throw os::system_error("read the order from stdin", errno);
        }
        text.append(piece, got > 0 ? static_cast<std::size_t>(got) : 0);
        if (text.size() > longest_order) {
            throw Error(ErrorCode::invalid, "the order on stdin is too long");
        }
    }
}

engine::PassOrder order_of(const contracts::PassRequest& request) {
    engine::PassOrder order;
    for (const contracts::PassDisk& disk : request.disks) {
        engine::DiskOrder entry{.id = disk.disk_id, .base = std::nullopt, .target_is_zero = disk.target_is_zero};
        if (!disk.base_change_id.empty()) {
            entry.base = engine::Base{.change_id = disk.base_change_id,
                                      .backing_uuid = disk.base_backing_uuid,
                                      .capacity = disk.base_capacity};
        }
        order.disks.push_back(std::move(entry));
    }
    return order;
}

/// Without parent there is nobody to work for, and nobody who would remove the snapshot.
void die_with_parent(long parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (parent != 0 && ::getppid() != parent) {
        throw Error(ErrorCode::cancelled, "the process that ordered the copy is gone");
    }
}

void run(const Flags& flags, EventWriter& events) {
    die_with_parent(flags.parent);
    const os::TerminationListener termination;
    const contracts::PassRequest request = contracts::pass_request_from(json::parse(read_order()));
    log::info("event=started job={} machine=\"{}\" moref={} disks={}", request.job_id.value, request.machine_name,
              request.moref, request.disks.size());
    VsphereSource source(request, {.appliance_id = flags.appliance_id,
                                   .readers = {.vddk_library_folder = flags.vddk_library_folder},
                                   .on_snapshot = [&](const std::string& moref, const std::string& name) {
                                       events.snapshot(moref, name);
                                   }});
    NbdTarget target(request);
    const engine::PassReport report = engine::run_pass(
        source, target, order_of(request), [&](const engine::Progress& progress) { events.progress(progress); },
        termination.token());
    events.result(report);
    log::info("event=completed job={}", request.job_id.value);
}

}  // namespace

int main(int argc, char** argv) {
    mk::os::block_termination_signals();
    mk::log::start("migratekit-engine");
    mk::EventWriter events;
    try {
        run(parse_flags(argc, argv), events);
        return 0;
    } catch (const std::exception& caught) {
        const mk::Error error = mk::as_error(caught);
        mk::log::error("event=failed code={} cause=\"{}\"", mk::to_string(error.code()), error.full_text());
        events.error(error);
        return 1;
    }
}
