// migratekit-engine --parent PID --appliance-id ID [--vddk-library-folder FOLDER] [--tunnel-folder FOLDER]
// [--checkpoint FILE]: copies one machine once. The order comes as a line of JSON on stdin, then commands; events go to
// stdout, the log to stderr (contracts/engine_api.hpp). SIGTERM, or the death of the parent, stops the copy and removes
// the snapshot.

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.hpp"
#include "checkpoint_file.hpp"
#include "engine/pass.hpp"
#include "event_writer.hpp"
#include "order_reader.hpp"
#include "os/signals.hpp"
#include "os/termination_listener.hpp"
#include "source.hpp"
#include "target.hpp"

namespace {

using namespace mk;

constexpr std::size_t longest_order = 4 * MiB;

struct Flags {
    long parent = 0;
    std::string appliance_id;
    std::string vddk_library_folder;
    std::string tunnel_folder;
    std::string checkpoint;
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
        } else if (i + 1 < argc && flag == "--tunnel-folder") {
            flags.tunnel_folder = argv[++i];
        } else if (i + 1 < argc && flag == "--checkpoint") {
            flags.checkpoint = argv[++i];
        } else {
            throw Error(ErrorCode::invalid, "unknown argument '" + flag + "'",
                        {.remedy = "This program is started by vma-api."});
        }
    }
    return flags;
}

engine::PassOrder order_of(const contracts::PassRequest& request) {
    engine::PassOrder order;
    order.compare_percent = request.compare_percent;
    order.only_compare = request.only_compare;
    order.sample_seed = std::random_device{}();
    for (const contracts::PassDisk& disk : request.disks) {
        engine::DiskOrder entry{.id = disk.disk_id,
                                .base = std::nullopt,
                                .target_is_zero = disk.target_is_zero,
                                .target_has_writes = disk.target_has_writes,
                                .session = session_of(disk.target_uri)};
        if (!disk.base_change_id.empty()) {
            entry.base = engine::Base{.change_id = disk.base_change_id,
                                      .backing_uuid = disk.base_backing_uuid,
                                      .capacity = disk.base_capacity};
        }
        order.copy.through_tunnel = order.copy.through_tunnel || is_through_tunnel(disk.target_uri);
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

/// Sixty disks with their readers need more than the usual 1024.
void allow_many_files() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            log::warn("event=file_limit_not_raised: a machine with many disks may need more");
        }
    }
}

void run(const Flags& flags, EventWriter& events) {
    die_with_parent(flags.parent);
    allow_many_files();
    const os::TerminationListener termination;
    LineReader lines(STDIN_FILENO, longest_order);
    const contracts::PassRequest request = read_order(lines, termination.token());
    log::info("event=started job={} machine=\"{}\" moref={} disks={}", request.job_id.value, request.machine_name,
              request.moref, request.disks.size());
    VsphereSource source(request, {.appliance_id = flags.appliance_id,
                                   .readers = {.vddk_library_folder = flags.vddk_library_folder},
                                   .on_snapshot = [&](const std::string& moref, const std::string& name) {
                                       events.snapshot(moref, name);
                                   }});
    const auto target = std::make_shared<NbdTarget>(request, flags.tunnel_folder);
    events.set_wire_count([target] { return target->wire_bytes(); });
    const CommandListener commands(lines, [&](const contracts::EngineCommand& command) {
        log::info("event=limit_changed bytes_per_second={}", command.bytes_per_second);
        target->set_limit(command.bytes_per_second);
    });
    std::optional<CheckpointFile> checkpoints;
    if (!flags.checkpoint.empty()) {
        checkpoints.emplace(flags.checkpoint);
    }
    const engine::PassReport report = engine::run_pass(
        source, *target, checkpoints ? &*checkpoints : nullptr, order_of(request),
        [&](const engine::Progress& progress) { events.progress(progress); }, termination.token());
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
