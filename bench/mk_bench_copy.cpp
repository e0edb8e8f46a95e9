// mk_bench_copy [OPTION]... (SOURCE TARGET)...: copies disks with the engine's copier, all at once, and ends when
// everything is durable. SOURCE is an NBD URI, TARGET an NBD URI or "tunnel:EXPORT". Prints one line of JSON.
//
//   --extents FILE    an increment: only the areas of the file ("OFFSET LENGTH" per line), of every disk
//   --fresh           the targets read as zero
//   --no-digests      to see what digests cost
//   --tunnel FOLDER   identity and pairing of this side
//   --lanes N, --in-flight N, --plain   to see what the defaults are worth; --plain: no compression in the tunnel

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "block/nbd.hpp"
#include "engine/copier.hpp"
#include "tunnel/dialer.hpp"

namespace {

using namespace mk;

struct Order {
    std::optional<std::vector<Range>> areas;
    bool is_fresh = false;
    std::string tunnel_folder;
    const char* protocol = tunnel::alpn::nbd_zstd;
    engine::CopyOptions options;
    std::vector<std::pair<std::string, std::string>> disks;
};

std::vector<Range> read_areas(const std::string& file) {
    std::ifstream input(file);
    std::vector<Range> areas;
    for (Range area; input >> area.offset >> area.length;) {
        areas.push_back(area);
    }
    if (areas.empty()) {
        throw Error(ErrorCode::invalid, "no areas in " + file);
    }
    return areas;
}

Order parse(int argc, char** argv) {
    Order order;
    std::vector<std::string> words(argv + 1, argv + argc);
    std::size_t at = 0;
    const auto value = [&] { return at + 1 < words.size() ? words[++at] : std::string(); };
    for (; at < words.size() && words[at].starts_with("--"); ++at) {
        if (words[at] == "--extents") {
            order.areas = read_areas(value());
        } else if (words[at] == "--fresh") {
            order.is_fresh = true;
        } else if (words[at] == "--no-digests") {
            order.options.takes_digests = false;
        } else if (words[at] == "--tunnel") {
            order.tunnel_folder = value();
        } else if (words[at] == "--plain") {
            order.protocol = tunnel::alpn::nbd;
        } else if (words[at] == "--lanes") {
            order.options.lanes = std::stoul(value());
        } else if (words[at] == "--in-flight") {
            order.options.requests_in_flight = std::stoul(value());
        } else {
            throw Error(ErrorCode::invalid, "unknown option " + words[at]);
        }
    }
    for (; at + 1 < words.size(); at += 2) {
        order.disks.emplace_back(words[at], words[at + 1]);
    }
    if (at != words.size() || order.disks.empty()) {
        throw Error(ErrorCode::invalid, "sources and targets must be given in pairs");
    }
    return order;
}

block::NbdEndpoint endpoint_of(const std::string& target, const Order& order) {
    constexpr std::string_view prefix = "tunnel:";
    if (!target.starts_with(prefix)) {
        return block::nbd_endpoint(target);
    }
    const auto dial = [folder = order.tunnel_folder, protocol = order.protocol](const std::stop_token& stop) {
        return tunnel::dial({.folder = folder}, protocol, {}, stop);
    };
    return {.export_name = target.substr(prefix.size()), .display_name = target, .dial = dial};
}

/// A disk and what must live as long as its copy.
struct Disk {
    engine::Plan plan;
    std::unique_ptr<block::BlockSink> sink;
    engine::DiskTask task;
};

std::unique_ptr<Disk> prepare(const std::string& source, const std::string& target, const Order& order) {
    auto disk = std::make_unique<Disk>();
    std::shared_ptr<block::BlockSource> opened = block::open_nbd_source(source);
    const Bytes capacity = opened->capacity();
    disk->plan = order.areas ? engine::plan_increment(*order.areas, capacity)
                             : engine::plan_full_copy({{0, capacity}}, capacity, order.is_fresh);
    disk->sink = block::open_nbd_sink(endpoint_of(target, order));
    disk->task = {.name = source,
                  .plan = &disk->plan,
                  .open_source = [opened](const std::stop_token&) { return opened; },
                  .sink = disk->sink.get()};
    return disk;
}

/// Largest resident size so far. Not getrusage(): that begins with the size of whoever started this program.
int peak_kib() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (int kib = 0; word == "VmHWM:" && status >> kib) {
            return kib;
        }
    }
    return 0;
}

void run(const Order& order) {
    std::vector<std::unique_ptr<Disk>> disks;
    std::vector<engine::DiskTask> tasks;
    engine::CopyOptions options = order.options;
    options.through_tunnel = !order.tunnel_folder.empty();
    for (const auto& [source, target] : order.disks) {
        disks.push_back(prepare(source, target, order));
        tasks.push_back(disks.back()->task);
    }
    std::size_t lanes = 0;
    std::string bottleneck;
    const auto outcomes = engine::copy_disks(tasks, options,
                                             [&](const engine::CopyStatus& status) {
                                                 lanes = std::max(lanes, status.lanes);
                                                 bottleneck = status.bottleneck;
                                             },
                                             {});
    engine::CopyCounts sum;
    std::size_t digests = 0;
    for (const engine::CopyOutcome& outcome : outcomes) {
        sum.read += outcome.counts.read;
        sum.sent += outcome.counts.sent;
        sum.zeroed += outcome.counts.zeroed;
        digests += outcome.digests.size();
    }
    std::printf(
        "{\"read\":%llu,\"sent\":%llu,\"zeroed\":%llu,\"digests\":%zu,\"lanes\":%zu,\"bottleneck\":\"%s\","
        "\"peak_kib\":%d}\n",
        static_cast<unsigned long long>(sum.read), static_cast<unsigned long long>(sum.sent),
        static_cast<unsigned long long>(sum.zeroed), digests, lanes, bottleneck.c_str(), peak_kib());
}

}  // namespace

int main(int argc, char** argv) {
    try {
        mk::log::start("mk_bench_copy");
        run(parse(argc, argv));
        return 0;
    } catch (const mk::Error& error) {
        std::fprintf(stderr, "mk_bench_copy: %s\n", error.full_text().c_str());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "mk_bench_copy: %s\n", error.what());
    }
    return 1;
}
