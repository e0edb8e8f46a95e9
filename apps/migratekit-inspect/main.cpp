// migratekit-inspect: what is on a guest's disks, as one JSON object on stdout (target/guest/guest_facts.hpp). The
// disks are never written to. A program of its own, so that it can be limited and ended whatever its appliance does.
//
// Exit codes: 0 looked (whether a system was found or not), 1 failed, 2 wrong use, 3 a disk cannot be opened, 4 the
// appliance did not start. With any but 0 the last line of stderr says why. It ends with its parent.

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "appliance.hpp"
#include "base/json_fields.hpp"
#include "os/file.hpp"
#include "reader.hpp"
#include "target/guest/inspection.hpp"

namespace {

using namespace mk;
using guest::InspectorExit;

struct Order {
    std::vector<std::string> disks;
    std::string iso;
    int memory_mib = 1280;
};

int fail(InspectorExit code, const std::string& reason) {
    std::fprintf(stderr, "migratekit-inspect: %s\n", reason.c_str());
    return static_cast<int>(code);
}

/// Throws Error when it is no disk that we may read: libguestfs would tell it only when the appliance starts.
void require_disk(const std::string& path) {
    const auto disk = os::open_file(path, O_RDONLY);
    struct stat info{};
    if (::fstat(disk.get(), &info) != 0) {
        throw os::system_error("look at " + path, errno);
    }
    if (!S_ISBLK(info.st_mode) && !S_ISREG(info.st_mode)) {
        throw Error(ErrorCode::invalid, path + " is no disk");
    }
}

int look(const Order& order) {
    inspect::Appliance appliance;
    try {
        for (const auto& disk : order.disks) {
            require_disk(disk);
            appliance.add_disk(disk);
        }
        if (!order.iso.empty()) {
            require_disk(order.iso);
            appliance.add_disk(order.iso);
        }
    } catch (const Error& error) {
        return fail(InspectorExit::disk_not_opened, error.cause());
    }
    try {
        appliance.start(order.memory_mib);
    } catch (const Error& error) {
        return fail(InspectorExit::appliance_not_started, error.cause());
    }
    std::fputs("the appliance runs\n", stderr);
    const auto facts = inspect::read_facts(appliance, order.disks.size(), !order.iso.empty());
    std::printf("%s\n", json::dump(guest::to_json(facts)).c_str());
    return std::fflush(stdout) == 0 ? static_cast<int>(InspectorExit::inspected)
                                    : fail(InspectorExit::failed, "stdout: " + std::string(std::strerror(errno)));
}

}  // namespace

int main(int argc, char** argv) {
    // QEMU is ended by libguestfs' own watcher two seconds after us.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    Order order;
    CLI::App app{
        "Tells as JSON what is on the raw disks of a guest, without changing them.\n\n"
        "Example: migratekit-inspect /dev/vdb /dev/vdc"};
    app.add_option("DISK", order.disks, "devices or raw files, the boot disk first")->required()->expected(1, 200);
    app.add_option("--memory-mib", order.memory_mib, "memory of the appliance")
        ->check(CLI::Range(256, 65536))
        ->capture_default_str();
    app.add_option("--virtio-win-iso", order.iso, "ISO with Windows drivers; they are listed for a Windows guest");
    app.set_version_flag("--version", MK_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& problem) {
        constexpr int wrong_use = 2;
        return app.exit(problem) == 0 ? 0 : wrong_use;
    }
    try {
        return look(order);
    } catch (const std::exception& problem) {
        return fail(InspectorExit::failed, as_error(problem).cause());
    }
}
