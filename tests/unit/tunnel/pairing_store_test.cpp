#include "tunnel/pairing_store.hpp"

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "no_descriptors.hpp"
#include "os/file.hpp"
#include "support/error_of.hpp"
#include "support/fake_clock.hpp"
#include "support/temporary_folder.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::minutes;

Pairing pairing(const std::string& id, char digit) {
    return {.appliance_id = id,
            .name = "name of " + id,
            .fingerprint = std::string(64, digit),
            .address = "",
            .api_token = Secret("token-" + id),
            .paired_at = from_ms(1'767'225'600'123)};
}

class AStore : public testing::Test {
  protected:
    test::TemporaryFolder folder;
    test::FakeClock clock;
    PairingStore store{folder / "tunnel", clock};
};

TEST_F(AStore, IsEmptyBeforeItsFolderExists) {
    EXPECT_TRUE(store.list().empty());
    EXPECT_FALSE(store.find("vma-1"));
    EXPECT_TRUE(store.open_codes().empty());
    EXPECT_FALSE(store.remove("vma-1"));
}

TEST_F(AStore, KeepsWhatWasPut) {
    store.put(pairing("vma-1", 'a'));
    store.put(pairing("vma-2", 'b'));
    const PairingStore another(folder / "tunnel", clock);
    const auto found = another.find_by_fingerprint(std::string(64, 'b'));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->appliance_id, "vma-2");
    EXPECT_EQ(found->name, "name of vma-2");
    EXPECT_EQ(found->api_token.reveal(), "token-vma-2");
    EXPECT_EQ(found->paired_at, from_ms(1'767'225'600'123));
    EXPECT_EQ(another.list().size(), 2U);
    EXPECT_FALSE(another.find_by_fingerprint(std::string(64, 'c')));
}

TEST_F(AStore, LetsOnlyTheOwnerReadItsFiles) {
    store.put(pairing("vma-1", 'a'));
    store.invite();
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "tunnel")) {
        struct stat info{};
        ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0077U, 0U) << entry.path();
        files += entry.is_regular_file() ? 1 : 0;
    }
    EXPECT_EQ(files, 3);  // a pairing, an invitation, the lock
}

TEST_F(AStore, SeesARemovalByAnotherProcessAtOnce) {
    store.put(pairing("vma-1", 'a'));
    EXPECT_TRUE(PairingStore(folder / "tunnel", clock).remove("vma-1"));
    EXPECT_FALSE(store.find("vma-1"));
    EXPECT_FALSE(store.find_by_fingerprint(std::string(64, 'a')));
    EXPECT_FALSE(store.remove("vma-1"));
}

TEST_F(AStore, TrustsNoFileThatItDoesNotUnderstand) {
    store.put(pairing("vma-1", 'a'));
    const auto file = folder / "tunnel/pairings/vma-1.json";
    for (const auto* content : {"", "{", "[]", R"({"appliance_id":"vma-1"})",
                                R"({"appliance_id":"../x","name":"","fingerprint":"aa","paired_at_ms":1})"}) {
        os::write_file_atomically(file, content);
        EXPECT_TRUE(store.list().empty()) << content;
        EXPECT_FALSE(store.find("vma-1")) << content;
    }
}

TEST_F(AStore, DoesNotTakeAShortageOfDescriptorsForAnAbsence) {
    store.put(pairing("vma-1", 'a'));
    const auto code = normalised_code(store.invite().code);
    {
        const test::NoDescriptors shortage;
        EXPECT_EQ(test::code_of([&] { store.list(); }), ErrorCode::external);
        EXPECT_EQ(test::code_of([&] { store.find("vma-1"); }), ErrorCode::external);
        EXPECT_EQ(test::code_of([&] { store.find_by_fingerprint(std::string(64, 'a')); }), ErrorCode::external);
        EXPECT_EQ(test::code_of([&] { store.open_codes(); }), ErrorCode::external);
        EXPECT_EQ(test::code_of([&] { store.use_up(code); }), ErrorCode::external);
        EXPECT_EQ(test::code_of([&] { store.remove("vma-1"); }), ErrorCode::external);
    }
    EXPECT_TRUE(store.find("vma-1"));
    EXPECT_EQ(store.open_codes(), std::vector<std::string>{code});
    EXPECT_TRUE(store.use_up(code));
}

TEST_F(AStore, DoesNotTakeAFileThatCannotBeReadForAnAbsence) {
    store.put(pairing("vma-1", 'a'));
    store.invite();
    const auto invitation = std::filesystem::directory_iterator(folder / "tunnel/invitations")->path();
    for (const auto& file : {std::filesystem::path(folder / "tunnel/pairings/vma-1.json"), invitation}) {
        std::filesystem::remove(file);
        std::filesystem::create_directory(file);  // opens, but read() fails
    }
    EXPECT_EQ(test::code_of([&] { store.list(); }), ErrorCode::external);
    EXPECT_EQ(test::code_of([&] { store.find("vma-1"); }), ErrorCode::external);
    EXPECT_EQ(test::code_of([&] { store.open_codes(); }), ErrorCode::external);
    EXPECT_TRUE(std::filesystem::exists(invitation));
}

TEST_F(AStore, RefusesIdsThatAreNoFileNames) {
    for (const auto* id : {"", ".", "..", ".hidden", "a/b", "../x", "a b", "a\n", "\xC3\xA4"}) {
        EXPECT_EQ(test::code_of([&] { store.put(pairing(id, 'a')); }), ErrorCode::invalid) << id;
        EXPECT_EQ(test::code_of([&] { store.find(id); }), ErrorCode::invalid) << id;
    }
    EXPECT_EQ(test::code_of([&] { store.put(pairing(std::string(65, 'x'), 'a')); }), ErrorCode::invalid);
    auto wrong = pairing("vma-1", 'a');
    wrong.fingerprint = "AA";
    EXPECT_EQ(test::code_of([&] { store.put(wrong); }), ErrorCode::invalid);
}

TEST_F(AStore, GivesCodesThatPeopleCanType) {
    const auto invitation = store.invite();
    EXPECT_EQ(invitation.code.size(), 23U);
    EXPECT_EQ(invitation.code[5], '-');
    EXPECT_EQ(invitation.expires, clock.now() + minutes{10});
    const auto code = normalised_code(invitation.code);
    EXPECT_EQ(store.open_codes(), std::vector<std::string>{code});
    EXPECT_EQ(normalised_code(" abcde-FGHIJ klmno\tPQRST\n"), "ABCDEFGHIJKLMNOPQRST");
    EXPECT_EQ(normalised_code("01801-80180-18018-01801"), "OIBOIBOIBOIBOIBOIBOI");
    for (const auto* wrong : {"", "ABCDE", "ABCDE-FGHIJ-KLMNO-PQRS9", "ABCDE-FGHIJ-KLMNO-PQRSTU"}) {
        EXPECT_EQ(test::code_of([&] { normalised_code(wrong); }), ErrorCode::invalid) << wrong;
    }
}

TEST_F(AStore, GivesAnotherCodeEachTime) {
    std::set<std::string> codes;
    for (int i = 0; i < 20; ++i) {
        codes.insert(store.invite().code);
    }
    EXPECT_EQ(codes.size(), 20U);
    EXPECT_EQ(store.open_codes().size(), 20U);
}

TEST_F(AStore, LetsACodeBeUsedOnce) {
    const auto code = store.invite().code;
    EXPECT_TRUE(store.use_up(code));
    EXPECT_FALSE(store.use_up(code));
    EXPECT_TRUE(store.open_codes().empty());
}

TEST_F(AStore, LetsACodeBeUsedOnceByManyAtTheSameTime) {
    const auto code = store.invite().code;
    std::atomic<int> successes{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] { successes += PairingStore(folder / "tunnel", clock).use_up(code) ? 1 : 0; });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(successes, 1);
}

TEST_F(AStore, LetsCodesExpire) {
    const auto code = store.invite().code;
    clock.advance(minutes{10} - std::chrono::milliseconds{1});
    EXPECT_EQ(store.open_codes().size(), 1U);
    clock.advance(std::chrono::milliseconds{1});
    EXPECT_TRUE(store.open_codes().empty());
    EXPECT_FALSE(store.use_up(code));
}

TEST_F(AStore, DoesNotHonourACodeFromTheFuture) {
    const auto code = store.invite().code;
    clock.advance(-std::chrono::hours{1});
    EXPECT_TRUE(store.open_codes().empty());
    EXPECT_FALSE(store.use_up(code));
}

TEST_F(AStore, WithdrawsAllCodes) {
    const auto code = store.invite().code;
    store.invite();
    store.withdraw_invitations();
    EXPECT_TRUE(store.open_codes().empty());
    EXPECT_FALSE(store.use_up(code));
}

}  // namespace
}  // namespace mk::tunnel
