#include "os/signals.hpp"

#include <csignal>
#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/file.hpp"
#include "support/temporary_folder.hpp"

namespace mk::os {
namespace {

class BlockedSignals : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(pthread_sigmask(SIG_SETMASK, nullptr, &before_), 0);
        block_termination_signals();
    }
    void TearDown() override { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

TEST_F(BlockedSignals, ArriveAsAnAnswerInsteadOfEndingTheProcess) {
    for (const int signal : {SIGTERM, SIGINT}) {
        ASSERT_EQ(::kill(::getpid(), signal), 0);
        EXPECT_EQ(wait_for_termination(), signal);
    }
}

TEST_F(BlockedSignals, WritingToAClosedPipeIsAnErrorOnly) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ::close(ends[0]);
    EXPECT_EQ(::write(ends[1], "x", 1), -1);
    EXPECT_EQ(errno, EPIPE);
    ::close(ends[1]);
}

class Readiness : public testing::Test {
  protected:
    void TearDown() override { ::unsetenv("NOTIFY_SOCKET"); }
};

TEST_F(Readiness, IsToldToTheServiceManager) {
    const test::TemporaryFolder folder;
    const std::string path = folder / "notify";
    const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    notify_ready();
    char message[16] = {};
    ASSERT_EQ(::recv(socket.get(), message, sizeof(message), MSG_DONTWAIT), 7);
    EXPECT_STREQ(message, "READY=1");
}

TEST_F(Readiness, IsSilentWithoutAServiceManager) {
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_NO_THROW(notify_ready());
}

TEST_F(Readiness, UnreachableServiceManagerIsAnError) {
    ::setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
    EXPECT_THROW(notify_ready(), Error);
}

}  // namespace
}  // namespace mk::os
