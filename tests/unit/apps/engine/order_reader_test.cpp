#include "migratekit-engine/order_reader.hpp"

#include <condition_variable>
#include <mutex>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "os/file.hpp"

using namespace mk;

namespace {

struct Pipe {
    Pipe() {
        int ends[2] = {-1, -1};
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        out = os::Descriptor(ends[0]);
        in = os::Descriptor(ends[1]);
    }
    void put(const std::string& text) const {
        ASSERT_EQ(::write(in.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    os::Descriptor out;
    os::Descriptor in;
};

contracts::PassRequest some_order() {
    contracts::PassRequest order;
    order.job_id = JobId{"job-1"};
    order.vcenter = {.url = "https://vc/sdk", .username = "u", .password = Secret("p"), .certificate_sha256 = "ab"};
    order.moref = "vm-1";
    order.disks.emplace_back();
    order.disks[0].disk_id = DiskId{"disk-2000"};
    order.disks[0].target_uri = "tunnel:///x";
    return order;
}

}  // namespace

TEST(OrderReader, TheOrderIsTheFirstLineAndCommandsFollow) {
    const Pipe pipe;
    const std::string order = contracts::to_json(some_order()).dump() + "\n";
    pipe.put(order.substr(0, 10));
    pipe.put(order.substr(10) + contracts::engine_command_line({.bytes_per_second = 5}) + "\nnonsense\n" +
             contracts::engine_command_line({.bytes_per_second = 7}) + "\n");
    LineReader lines(pipe.out.get(), 1 * MiB);
    EXPECT_EQ(read_order(lines, {}).moref, "vm-1");
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Bytes> limits;
    const CommandListener listener(lines, [&](const contracts::EngineCommand& command) {
        const std::lock_guard lock(mutex);
        limits.push_back(command.bytes_per_second);
        changed.notify_all();
    });
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds{30}, [&] { return limits.size() == 2; }));
    EXPECT_EQ(limits, (std::vector<Bytes>{5, 7})) << "a line that is no command is passed over";
}

TEST(OrderReader, TheEndOfStdinEndsOnlyTheCommands) {
    Pipe pipe;
    pipe.put(contracts::to_json(some_order()).dump());  // not even a newline
    pipe.in.close();
    LineReader lines(pipe.out.get(), 1 * MiB);
    EXPECT_EQ(read_order(lines, {}).job_id.value, "job-1");
    const CommandListener listener(lines, [](const contracts::EngineCommand&) { FAIL(); });
}

TEST(OrderReader, WithoutAnOrderItSaysSo) {
    Pipe pipe;
    pipe.in.close();
    LineReader lines(pipe.out.get(), 1 * MiB);
    EXPECT_THROW(read_order(lines, {}), Error);
}

TEST(OrderReader, AnEndlessLineIsRefused) {
    const Pipe pipe;
    pipe.put(std::string(5000, 'x'));
    LineReader lines(pipe.out.get(), 4096);
    EXPECT_THROW(read_order(lines, {}), Error);
}

TEST(OrderReader, AStopEndsTheWait) {
    const Pipe pipe;
    LineReader lines(pipe.out.get(), 4096);
    std::stop_source stop;
    stop.request_stop();
    try {
        read_order(lines, stop.get_token());
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
}
