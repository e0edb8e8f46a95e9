#include "tunnel/sockets.hpp"

#include <array>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "no_descriptors.hpp"
#include "os/socket.hpp"
#include "support/error_of.hpp"
#include "two_sites.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::seconds;

std::ptrdiff_t open_descriptors() {
    const std::filesystem::directory_iterator entries("/proc/self/fd");
    return std::distance(begin(entries), end(entries));
}

/// Both descriptors in one message.
bool send_two(int connection, const std::array<int, 2>& descriptors) {
    char byte = 0;
    iovec data{&byte, sizeof byte};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(2 * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof descriptors);
    return ::sendmsg(connection, &message, MSG_NOSIGNAL) == 1;
}

TEST(ReceivedDescriptors, AreOneForEachMessageAndNoneIsLeftOpen) {
    const auto connection = test::socket_pair();
    const auto passed = test::socket_pair();
    const auto before = open_descriptors();
    ASSERT_TRUE(send_two(connection.one.get(), {passed.one.get(), passed.other.get()}));
    {
        const auto received = receive_descriptor(connection.other.get(), seconds{5});
        EXPECT_TRUE(received);
        EXPECT_EQ(open_descriptors(), before + 1);
    }
    EXPECT_EQ(open_descriptors(), before);
}

TEST(Accepting, SaysWhenThereIsNoDescriptorLeft) {
    const test::TemporaryFolder folder;
    const auto listener = os::listen_unix(folder / "socket");
    EXPECT_FALSE(os::accept_now(listener.get()));
    const auto waiting = os::connect_to(folder / "socket", seconds{5}, {});
    {
        const test::NoDescriptors shortage;
        EXPECT_EQ(test::code_of([&] { os::accept_now(listener.get()); }), ErrorCode::external);
    }
    EXPECT_TRUE(os::accept_now(listener.get()));
}

}  // namespace
}  // namespace mk::tunnel
