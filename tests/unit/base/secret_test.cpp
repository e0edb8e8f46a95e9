#include "base/secret.hpp"

#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "support/error_of.hpp"

namespace mk {
namespace {

using test::code_of;

const std::string key(32, 'k');

TEST(SecretBox, OpensWhatItSealed) {
    const SecretBox box(key);
    for (const std::string& plain :
         {std::string(), std::string("p"), std::string(1000, '\0'), std::string("pässword")}) {
        EXPECT_EQ(box.open(box.seal(Secret(plain), "row-1"), "row-1").reveal(), plain);
    }
}

TEST(SecretBox, SealedTextHasTheAgreedLayoutAndIsNewEachTime) {
    const SecretBox box(key);
    const std::string sealed = box.seal(Secret("hunter2"), "row-1");
    EXPECT_EQ(base64_decode(sealed).size(), 12 + 7 + 16U);
    EXPECT_EQ(base64_decode(sealed).find("hunter2"), std::string::npos);
    EXPECT_NE(sealed, box.seal(Secret("hunter2"), "row-1"));
}

// NIST's GCM test case 13 (256-bit key of zeros, nonce of zeros, nothing to encrypt).
TEST(SecretBox, OpensAForeignSealOfTheSameAlgorithm) {
    const unsigned char tag[] = {0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9,
                                 0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb, 0x73, 0x8b};
    std::string bytes(12, '\0');
    bytes.append(std::begin(tag), std::end(tag));
    EXPECT_TRUE(SecretBox(std::string(32, '\0')).open(base64_encode(bytes), "").empty());
}

TEST(SecretBox, WrongKeyIdentityOrTextIsCorrupt) {
    const SecretBox box(key);
    const std::string sealed = box.seal(Secret("hunter2"), "row-1");
    EXPECT_EQ(code_of([&] { box.open(sealed, "row-2"); }), ErrorCode::corrupt);
    EXPECT_EQ(code_of([&] { SecretBox(std::string(32, 'x')).open(sealed, "row-1"); }), ErrorCode::corrupt);
    EXPECT_EQ(code_of([&] { box.open("", "row-1"); }), ErrorCode::corrupt);
    EXPECT_EQ(code_of([&] { box.open("not base64", "row-1"); }), ErrorCode::corrupt);
    const std::string bytes = base64_decode(sealed);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        std::string changed = bytes;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        EXPECT_EQ(code_of([&] { box.open(base64_encode(changed), "row-1"); }), ErrorCode::corrupt) << "byte " << i;
        EXPECT_EQ(code_of([&] { box.open(base64_encode(bytes.substr(0, i)), "row-1"); }), ErrorCode::corrupt);
    }
}

TEST(SecretBox, KeyMustHave32Bytes) {
    EXPECT_EQ(code_of([] { SecretBox(std::string(31, 'k')); }), ErrorCode::invalid);
    EXPECT_EQ(code_of([] { SecretBox(std::string(33, 'k')); }), ErrorCode::invalid);
}

TEST(RandomHex, HasTwoDigitsPerByteAndDiffers) {
    EXPECT_EQ(random_hex(0), "");
    EXPECT_EQ(random_hex(16).size(), 32U);
    EXPECT_EQ(random_hex(16).find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_NE(random_hex(16), random_hex(16));
}

TEST(ConstantTimeEqual, ComparesWholeTexts) {
    EXPECT_TRUE(constant_time_equal("", ""));
    EXPECT_TRUE(constant_time_equal("token", "token"));
    EXPECT_FALSE(constant_time_equal("token", "tokeN"));
    EXPECT_FALSE(constant_time_equal("token", "token2"));
}

}  // namespace
}  // namespace mk
