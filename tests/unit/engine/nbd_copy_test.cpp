// The engine on real servers: nbdkit behind unix sockets, killed and started again in the middle.

#include <csignal>
#include <filesystem>
#include <mutex>
#include <semaphore>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/retry.hpp"
#include "block/nbd.hpp"
#include "os/file.hpp"
#include "os/process.hpp"
#include "unit/engine/copy_rig.hpp"

using namespace mk;
using namespace mk::engine;
using namespace mk::test;

namespace {

class NbdCopy : public testing::Test {
  protected:
    void SetUp() override {
        if (!os::is_installed("nbdkit")) {
            GTEST_SKIP() << "nbdkit is not installed";
        }
        std::string name = testing::TempDir() + "nbd-copy-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    void TearDown() override {
        source_.reset();
        target_.reset();
        std::filesystem::remove_all(folder_);
    }

    std::string path(const std::string& name) const { return folder_ + "/" + name; }
    std::string uri(const std::string& name) const { return "nbd+unix:///?socket=" + path(name) + ".sock"; }

    os::Child serve(const std::string& name) {
        const std::string socket = path(name) + ".sock";
        os::remove_file(socket);
        os::Child child = os::Child::start({.argv = {"nbdkit", "-f", "-U", socket, "file", path(name)}});
        wait_until([&] { return std::filesystem::exists(socket); }, std::chrono::milliseconds{5},
                   std::chrono::seconds{30}, {}, "nbdkit to listen");
        return child;
    }

    void make_disks(const Content& content, std::byte fill) {
        os::write_file_atomically(path("source"),
                                  std::string_view(reinterpret_cast<const char*>(content.data()), content.size()));
        const Content before(content.size(), fill);
        os::write_file_atomically(path("target"),
                                  std::string_view(reinterpret_cast<const char*>(before.data()), before.size()));
        source_.emplace(serve("source"));
        target_.emplace(serve("target"));
    }

    Content target_content() const {
        const std::string text = os::read_file(path("target"), 1 * GiB);
        Content content(text.size());
        std::memcpy(content.data(), text.data(), text.size());
        return content;
    }

    std::string folder_;
    std::optional<os::Child> source_;
    std::optional<os::Child> target_;
};

}  // namespace

TEST_F(NbdCopy, ADiskArrivesWhole) {
    std::mt19937_64 random(21);
    const Content content = random_content(random, 40 * MiB + 512);
    make_disks(content, old_byte);
    const auto source = block::open_nbd_source(uri("source"));
    const auto sink = block::open_nbd_sink(uri("target"));
    const Plan plan = plan_full_copy({{0, content.size()}}, content.size(), false);
    const CopyOutcome outcome = copy_disk(plan, *source, *sink, quick_options(), {});
    EXPECT_EQ(first_difference(target_content(), content), content.size());
    expect_digests(outcome, content);
}

TEST_F(NbdCopy, ATargetThatIsKilledAndStartedAgainGetsEverything) {
    std::mt19937_64 random(22);
    const Content content = random_content(random, 64 * MiB);
    make_disks(content, old_byte);
    const auto source = block::open_nbd_source(uri("source"));
    const auto sink = block::open_nbd_sink(uri("target"));
    const Plan plan = plan_increment({{0, content.size()}}, content.size());
    // The server dies in the middle of the reading, and comes back while the lanes try again.
    class Trap : public block::BlockSource {
      public:
        Trap(block::BlockSource& real, std::function<void(Range)> on_read)
            : real_(real), on_read_(std::move(on_read)) {}
        Bytes capacity() const override { return real_.capacity(); }
        Bytes max_request() const override { return real_.max_request(); }
        std::vector<block::Extent> extents(Range range, const std::stop_token& stop) override {
            return real_.extents(range, stop);
        }
        std::unique_ptr<block::ReadChannel> open_channel(const std::stop_token& stop) override {
            return std::make_unique<Channel>(real_.open_channel(stop), on_read_);
        }

      private:
        class Channel : public block::ReadChannel {
          public:
            Channel(std::unique_ptr<block::ReadChannel> real, const std::function<void(Range)>& on_read)
                : real_(std::move(real)), on_read_(on_read) {}
            void request(Range range) override {
                on_read_(range);
                real_->request(range);
            }
            Reply receive(const std::stop_token& stop) override { return real_->receive(stop); }
            std::size_t in_flight() const override { return real_->in_flight(); }

          private:
            std::unique_ptr<block::ReadChannel> real_;
            const std::function<void(Range)>& on_read_;
        };
        block::BlockSource& real_;
        std::function<void(Range)> on_read_;
    };
    std::mutex mutex;
    int requests = 0;
    std::counting_semaphore<> wanted{0};
    std::counting_semaphore<> done{0};
    std::jthread keeper([&] {
        for (int i = 0; i < 2; ++i) {
            wanted.acquire();
            ::kill(target_->pid(), SIGKILL);
            target_.reset();
            target_.emplace(serve("target"));
            done.release();
        }
        wanted.acquire();  // until the end: nbdkit ends with the thread that started it
    });
    const std::shared_ptr<void> at_end(nullptr, [&](void*) { wanted.release(3); });  // however the test ends
    Trap trap(*source, [&](Range) {
        const std::lock_guard lock(mutex);
        if (++requests == 40 || requests == 110) {
            wanted.release();
            done.acquire();
        }
    });
    const CopyOutcome outcome = copy_disk(plan, trap, *sink, quick_options(), {});
    EXPECT_GT(requests, 110);
    EXPECT_EQ(first_difference(target_content(), content), content.size());
    EXPECT_GE(outcome.counts.sent + outcome.counts.zeroed, content.size());
    expect_digests(outcome, content);
}

TEST_F(NbdCopy, AReaderThatFailsEndsTheCopyWithItsPlace) {
    const Content content(8 * MiB, std::byte{1});
    make_disks(content, old_byte);
    source_.reset();
    const std::string socket = path("source") + ".sock";
    os::remove_file(socket);
    source_.emplace(os::Child::start({.argv = {"nbdkit", "-f", "-U", socket, "--filter=error", "file", path("source"),
                                               "error-pread=EIO", "error-pread-rate=100%"}}));
    wait_until([&] { return std::filesystem::exists(socket); }, std::chrono::milliseconds{5}, std::chrono::seconds{30},
               {}, "nbdkit to listen");
    const auto source = block::open_nbd_source(uri("source"));
    const auto sink = block::open_nbd_sink(uri("target"));
    try {
        copy_disk(plan_increment({{1 * MiB, 1 * MiB}}, content.size()), *source, *sink, quick_options(), {});
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::external);
        EXPECT_NE(error.cause().find("offset"), std::string::npos) << error.cause();
    }
}
