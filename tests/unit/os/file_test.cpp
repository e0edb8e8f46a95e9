#include "os/file.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"

namespace mk::os {
namespace {

using test::code_of;
using test::error_of;

mode_t mode_of(const std::string& path) {
    struct stat info{};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return info.st_mode & 07777;
}

std::size_t files_in(const std::string& folder) {
    const std::filesystem::directory_iterator entries(folder);
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

class Files : public testing::Test {
  protected:
    test::TemporaryFolder folder;
};

TEST_F(Files, SystemErrorsHaveCodeCauseAndNumber) {
    EXPECT_EQ(system_error("x", ENOENT).code(), ErrorCode::not_found);
    EXPECT_EQ(system_error("x", EACCES).code(), ErrorCode::forbidden);
    EXPECT_EQ(system_error("x", EPERM).code(), ErrorCode::forbidden);
    EXPECT_EQ(system_error("x", ENOSPC).code(), ErrorCode::exhausted);
    EXPECT_EQ(system_error("x", EDQUOT).code(), ErrorCode::exhausted);
    EXPECT_EQ(system_error("x", EIO).code(), ErrorCode::external);
    EXPECT_EQ(system_error("open it", ENOENT).cause(), "cannot open it: No such file or directory");
    EXPECT_EQ(system_error("x", EIO).native(), std::to_string(EIO));
}

TEST_F(Files, MissingFileIsNotFoundAndNamed) {
    const Error error = error_of([&] { read_file(folder / "absent"); });
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(error.cause().find(folder / "absent"), std::string::npos);
}

TEST_F(Files, DescriptorsAreClosedOnExecAndByTheirOwner) {
    int number = -1;
    {
        Descriptor fd = open_file(folder.path(), O_RDONLY);
        number = fd.get();
        EXPECT_NE(::fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
        Descriptor moved = std::move(fd);
        EXPECT_FALSE(fd);  // NOLINT(bugprone-use-after-move): a moved-from descriptor owns nothing, by contract
        moved = Descriptor();
        EXPECT_EQ(::fcntl(number, F_GETFD), -1);
    }
}

TEST_F(Files, AtomicWriteReplacesContentAndSetsTheMode) {
    const std::string path = folder / "file";
    write_file_atomically(path, "old");
    EXPECT_EQ(mode_of(path), 0600U);
    write_file_atomically(path, std::string(200'000, 'x'), 0644);
    EXPECT_EQ(read_file(path), std::string(200'000, 'x'));
    EXPECT_EQ(mode_of(path), 0644U);
    EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST_F(Files, FailedAtomicWriteLeavesNothingBehind) {
    std::filesystem::create_directory(folder / "taken");
    EXPECT_THROW(write_file_atomically(folder / "taken", "x"), Error);
    EXPECT_EQ(files_in(folder.path()), 1U);
    EXPECT_EQ(code_of([&] { write_file_atomically(folder / "absent/file", "x"); }), ErrorCode::not_found);
}

TEST_F(Files, ReadingStopsAtTheLimit) {
    write_file_atomically(folder / "file", std::string(1000, 'x'));
    EXPECT_EQ(read_file(folder / "file", 1000).size(), 1000U);
    EXPECT_EQ(code_of([&] { read_file(folder / "file", 999); }), ErrorCode::exhausted);
}

TEST_F(Files, SecretsLoseTheirNewlineAndMustNotBeEmpty) {
    write_file_atomically(folder / "secret", " pass word \r\n\n");
    EXPECT_EQ(read_secret_file(folder / "secret").reveal(), " pass word ");
    write_file_atomically(folder / "empty", "\n");
    EXPECT_EQ(code_of([&] { read_secret_file(folder / "empty"); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([&] { read_secret_file(folder / "absent"); }), ErrorCode::not_found);
}

TEST_F(Files, SecretIsMadeOnceAndPrivate) {
    const std::string made = read_or_create_secret_file(folder / "secret", 24).reveal();
    EXPECT_EQ(made.size(), 48U);
    EXPECT_EQ(mode_of(folder / "secret"), 0600U);
    EXPECT_EQ(read_or_create_secret_file(folder / "secret").reveal(), made);
    EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST_F(Files, ManyMakersOfASecretAgree) {
    std::vector<std::string> seen(8);
    {
        std::vector<std::jthread> threads;
        for (std::string& mine : seen) {
            threads.emplace_back([&] { mine = read_or_create_secret_file(folder / "secret").reveal(); });
        }
    }
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 1U);
}

TEST_F(Files, EmptySecretFileIsNotReplaced) {
    write_file_atomically(folder / "secret", "");
    EXPECT_EQ(code_of([&] { read_or_create_secret_file(folder / "secret"); }), ErrorCode::invalid);
}

TEST_F(Files, FoldersAreMadeWithTheirParents) {
    make_folders(folder / "a/b/c");
    make_folders(folder / "a/b/c");
    EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b/c"));
    EXPECT_EQ(mode_of(folder / "a"), 0700U);
    write_file_atomically(folder / "file", "");
    EXPECT_THROW(make_folders(folder / "file"), Error);
    EXPECT_THROW(make_folders(folder / "file/below"), Error);
}

TEST_F(Files, RemovingWhatIsAbsentIsNoError) {
    write_file_atomically(folder / "file", "");
    remove_file(folder / "file");
    remove_file(folder / "file");
    EXPECT_EQ(files_in(folder.path()), 0U);
    EXPECT_THROW(remove_file(folder.path()), Error);
}

TEST_F(Files, FreeSpaceIsKnownForExistingPlacesOnly) {
    EXPECT_GT(free_bytes(folder.path()), 0U);
    EXPECT_EQ(code_of([&] { free_bytes(folder / "absent"); }), ErrorCode::not_found);
}

TEST_F(Files, BytesAreWrittenAndReadAtAnyOffset) {
    const Descriptor fd = open_file(folder / "disk", O_RDWR | O_CREAT);
    const Bytes far = 3 * 1024 * GiB;  // beyond 2 TiB, sparse
    for (const std::size_t size : {0U, 1U, 511U, 512U, 70'000U}) {
        std::vector<std::byte> data(size, std::byte{0x5a});
        write_at(fd.get(), far, data);
        std::vector<std::byte> back(size);
        read_at(fd.get(), far, back);
        EXPECT_EQ(back, data);
    }
}

TEST_F(Files, DataThatEndsTooEarlyIsCorrupt) {
    write_file_atomically(folder / "disk", "12345");
    const Descriptor fd = open_file(folder / "disk", O_RDONLY);
    std::vector<std::byte> buffer(6);
    EXPECT_EQ(code_of([&] { read_at(fd.get(), 0, buffer); }), ErrorCode::corrupt);
    EXPECT_EQ(code_of([&] { read_at(fd.get(), Bytes{1} << 63, buffer); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([&] { write_at(fd.get(), 0, buffer); }), ErrorCode::external);
}

TEST_F(Files, FullDeviceIsExhausted) {
    const Descriptor fd = open_file("/dev/full", O_WRONLY);
    const std::vector<std::byte> data(512);
    EXPECT_EQ(code_of([&] { write_at(fd.get(), 0, data); }), ErrorCode::exhausted);
}

}  // namespace
}  // namespace mk::os
