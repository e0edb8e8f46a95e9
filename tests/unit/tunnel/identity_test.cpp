#include "tunnel/identity.hpp"

#include <thread>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "os/file.hpp"
#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "tunnel/certificate.hpp"

namespace mk::tunnel {
namespace {

using std::chrono::days;

mode_t mode_of(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777U : 0;
}

Validity validity_in(const Identity& identity) {
    return validity_of(certificate_from_pem(os::read_file(identity.certificate_file)).get());
}

const Instant start = from_ms(1'767'225'600'000);  // 2026-01-01

TEST(AnIdentity, IsMadeOnceAndKept) {
    const test::TemporaryFolder folder;
    const auto made = open_identity(folder / "tunnel", "vma-leeds", start);
    EXPECT_EQ(made.fingerprint.size(), 64U);
    EXPECT_EQ(mode_of(folder / "tunnel"), 0700U);
    EXPECT_EQ(mode_of(made.key_file), 0600U);
    EXPECT_EQ(common_name_of(certificate_from_pem(os::read_file(made.certificate_file)).get()), "vma-leeds");
    const auto certificate = os::read_file(made.certificate_file);
    EXPECT_EQ(open_identity(folder / "tunnel", "vma-leeds", start + days{59}).fingerprint, made.fingerprint);
    EXPECT_EQ(os::read_file(made.certificate_file), certificate);
}

TEST(AnIdentity, RenewsItsCertificateFromTheSameKeyAfterTwoThirds) {
    const test::TemporaryFolder folder;
    const auto made = open_identity(folder.path(), "vma", start);
    EXPECT_EQ(validity_in(made).end, start + days{90});
    const auto renewed = open_identity(folder.path(), "", start + days{61});
    EXPECT_EQ(validity_in(renewed).end, start + days{151});
    EXPECT_EQ(renewed.fingerprint, made.fingerprint);
    EXPECT_EQ(common_name_of(certificate_from_pem(os::read_file(renewed.certificate_file)).get()), "vma");
}

TEST(AnIdentity, IsValidForAPeerWhoseClockIsHoursBehind) {
    const test::TemporaryFolder folder;
    const auto identity = open_identity(folder.path(), "vma", start);
    const auto certificate = certificate_from_pem(os::read_file(identity.certificate_file));
    EXPECT_EQ(problem_of(certificate.get(), start - std::chrono::hours{12}), "");
    EXPECT_NE(problem_of(certificate.get(), start - days{2}), "");
}

TEST(AnIdentity, MakesADamagedCertificateAgainButNeverTheKey) {
    const test::TemporaryFolder folder;
    const auto made = open_identity(folder.path(), "vma", start);
    os::write_file_atomically(made.certificate_file, "nonsense");
    EXPECT_EQ(open_identity(folder.path(), "vma", start).fingerprint, made.fingerprint);
    EXPECT_EQ(validity_in(made).end, start + days{90});
    os::write_file_atomically(made.key_file, "nonsense");
    EXPECT_EQ(test::code_of([&] { open_identity(folder.path(), "vma", start); }), ErrorCode::corrupt);
}

TEST(AnIdentity, IsTheSameForAllWhoMakeItAtTheSameTime) {
    const test::TemporaryFolder folder;
    std::vector<std::string> seen(6);
    std::vector<std::thread> threads;
    for (auto& fingerprint : seen) {
        threads.emplace_back([&] { fingerprint = open_identity(folder.path(), "vma", start).fingerprint; });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(seen, std::vector<std::string>(6, seen.front()));
}

TEST(AnIdentity, RefusesANameThatNoCertificateHolds) {
    const test::TemporaryFolder folder;
    EXPECT_EQ(test::code_of([&] { open_identity(folder.path(), std::string(65, 'x'), start); }), ErrorCode::invalid);
}

TEST(ACertificate, OfAnotherKeyOrAnotherSignerIsAProblem) {
    const auto key = make_key();
    const Validity validity{.begin = start, .end = start + days{1}};
    const auto good = make_certificate(key, "a", validity);
    EXPECT_EQ(problem_of(good.get(), start), "");
    EXPECT_NE(problem_of(good.get(), start + days{1}), "");
    EXPECT_NE(problem_of(good.get(), start - days{1}), "");
    EXPECT_NE(problem_of(nullptr, start), "");
}

TEST(Fingerprints, AreGroupedForPeople) {
    EXPECT_EQ(fingerprint_for_people("ab12cd34ef"), "ab12 cd34 ef");
    EXPECT_EQ(fingerprint_for_people(""), "");
}

}  // namespace
}  // namespace mk::tunnel
