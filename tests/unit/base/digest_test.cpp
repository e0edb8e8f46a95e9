#include "base/digest.hpp"

#include <gtest/gtest.h>

namespace mk {
namespace {

// FIPS 180-2, appendix B.
constexpr const char* of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Sha256, KnownVectors) {
    EXPECT_EQ(sha256_hex(""), of_nothing);
    EXPECT_EQ(sha256_hex("abc"), of_abc);
    EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesGiveTheSameAsTheWhole) {
    Sha256 digest;
    digest.add("a");
    digest.add("");
    digest.add("bc");
    EXPECT_EQ(digest.finish(), of_abc);
}

TEST(Sha256, StartsAnewAfterFinish) {
    Sha256 digest;
    digest.add("something");
    digest.finish();
    EXPECT_EQ(digest.finish(), of_nothing);
    Sha256 moved = std::move(digest);
    moved.add("abc");
    EXPECT_EQ(moved.finish(), of_abc);
}

}  // namespace
}  // namespace mk
