#include "target/cloudstack/signer.hpp"

#include <gtest/gtest.h>

namespace mk::cloudstack {
namespace {

// The expected values were computed by a script in another language from the rules of cloudstack.md section 2.2.

TEST(Signer, SignsTheExampleOfTheManual) {
    const Parameters parameters{
        {"command", "listZones"},
        {"response", "json"},
        {"apikey", "plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM-kAYMmAiLqzzq1ElZLYq_u38zCm0bewzGUdP66mg"}};
    const Secret key("VDaACYb0LV9eNjTetIOElcVQkvJck_J_QljX_FcHRj87ZKiy0z0ty0ZsYBkoXkY9b7eq1EhwJaw7FF3akA3KBQ");
    EXPECT_EQ(signature_of(parameters, key), "HmSwFbyOmNCn2FB58UXRauTAI3A=");
}

TEST(Signer, SignsMapsAccentsAndTheCharactersThatLibrariesDisagreeAbout) {
    const Parameters parameters{
        {"command", "deployVirtualMachine"}, {"name", "my vm*~+/"},         {"displayname", "Größe €"},
        {"details[0].cpuNumber", "2"},       {"details[0].memory", "4096"}, {"expires", "2026-01-31T12:00:00Z"},
        {"signatureversion", "3"},           {"apikey", "Key-1"},           {"response", "json"}};
    EXPECT_EQ(
        text_to_sign(parameters),
        "apikey=key-1&command=deployvirtualmachine&details[0].cpunumber=2&details[0].memory=4096&"
        "displayname=gr%c3%b6%c3%9fe%20%e2%82%ac&expires=2026-01-31t12%3a00%3a00z&name=my%20vm*%7e%2b%2f&response=json&"
        "signatureversion=3");
    EXPECT_EQ(signature_of(parameters, Secret("Secret/+=")), "LFwz2d51oAMbj4T2D8IkQSaoZoY=");
}

TEST(Signer, SortsByTheNameAsSentBeforeLoweringIt) {
    EXPECT_EQ(text_to_sign({{"b", "1"}, {"a", "2"}, {"Z", "3"}}), "z=3&a=2&b=1");
}

TEST(Signer, EncodesAsJavaDoesButSpacesAsPercent20) {
    EXPECT_EQ(java_url_encode("aZ0.-_* ~+/"), "aZ0.-_*%20%7E%2B%2F");
}

TEST(Signer, WritesExpiresInUtcWithoutFractions) {
    EXPECT_EQ(expires_text(from_ms(1'769'860'800'123)), "2026-01-31T12:00:00Z");
}

TEST(Signer, FormsSurviveTheirCharacters) {
    EXPECT_EQ(encode_form({{"a[0].b", "x&y=z"}, {"c", "1"}}), "a%5B0%5D.b=x%26y%3Dz&c=1");
}

}  // namespace
}  // namespace mk::cloudstack
