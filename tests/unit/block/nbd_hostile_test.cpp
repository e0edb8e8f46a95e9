// Servers that lie, break the protocol or do not know it. Each lie has one clear error, and none is believed.

#include <gmock/gmock.h>

#include "block/nbd_channels.hpp"
#include "unit/block/block_io.hpp"
#include "unit/block/nbd_script.hpp"

using namespace mk;
using namespace mk::block;
using namespace mk::test;
using testing::HasSubstr;

namespace {

constexpr Bytes size = 1 * MiB;

Error refusal_of(const NbdScript& script, std::size_t piece = 1 << 20) {
    return error_of([&] { open_nbd_sink(scripted_endpoint({script}, piece)); });
}

std::unique_ptr<ReadChannel> reader_of(const NbdScript& script, std::size_t piece = 1 << 20) {
    return nbd::make_read_channel(
        std::make_unique<nbd::Link>(scripted_endpoint({script}, piece), NbdOptions{}, std::stop_token{}));
}

/// Answers come one by one: the flush must not be answered before it is asked.
std::unique_ptr<WriteChannel> writer_of(const NbdScript& script) {
    const auto endpoint = scripted_endpoint({script}, nbd::ReplyHeader::size);
    return nbd::make_write_channel(std::make_unique<nbd::Link>(endpoint, NbdOptions{}, std::stop_token{}), nullptr);
}

TEST(NbdNegotiation, TakesWhatTheServerTells) {
    const auto script = NbdScript()
                            .greeting()
                            .export_info(size)
                            .description("session-7")
                            .block_size(512, 64 * KiB)
                            .option_reply(3, NbdScript().number(std::uint16_t{77}).text("unknown information"))
                            .ack();
    for (const std::size_t piece : {1U, 7U, 100'000U}) {
        const auto sink = open_nbd_sink(scripted_endpoint({script}, piece));
        EXPECT_EQ(sink->capacity(), size);
        EXPECT_EQ(sink->max_request(), 64 * KiB);
        EXPECT_EQ(sink->instance(), "session-7");
        EXPECT_TRUE(sink->has_multi_conn());
    }
}

TEST(NbdNegotiation, AsksForTheExportByName) {
    const auto heard = std::make_shared<Content>();
    open_nbd_sink(scripted_endpoint({NbdScript().opened(size)}, 1 << 20, heard));
    const std::string text(reinterpret_cast<const char*>(heard->data()), heard->size());
    EXPECT_THAT(text, HasSubstr(std::string("IHAVEOPT\0\0\0\7", 12)));
    EXPECT_THAT(text, HasSubstr(std::string("\0\0\0\4disk\0\2\0\3\0\2", 14)));
}

TEST(NbdNegotiation, RefusalsAreTyped) {
    const auto refused = [](std::uint32_t type) {
        return refusal_of(NbdScript().greeting().option_reply(type, NbdScript().text("because\n\x1b[2J")));
    };
    EXPECT_EQ(refused(nbd::reply_unknown_export).code(), ErrorCode::not_found);
    EXPECT_EQ(refused(nbd::reply_policy).code(), ErrorCode::forbidden);
    EXPECT_EQ(refused(nbd::reply_unsupported).code(), ErrorCode::conflict);
    EXPECT_EQ(refused(nbd::reply_tls_required).code(), ErrorCode::conflict);
    EXPECT_EQ(refused(nbd::reply_shutdown).code(), ErrorCode::unavailable);
    EXPECT_EQ(refused(0x80000003).code(), ErrorCode::external);
    EXPECT_THAT(refused(nbd::reply_policy).cause(), HasSubstr("because??[2J")) << "terminals are not for servers";
}

TEST(NbdNegotiation, ExportsThatCannotBeUsed) {
    EXPECT_EQ(refusal_of(NbdScript().opened(size, NbdScript::usual_flags | nbd::flag_read_only)).code(),
              ErrorCode::conflict);
    EXPECT_EQ(refusal_of(NbdScript().opened(size, 1)).code(), ErrorCode::conflict) << "no flush";
    EXPECT_EQ(refusal_of(NbdScript().greeting().export_info(size).block_size(4096, 1 << 20).ack()).code(),
              ErrorCode::conflict)
        << "blocks larger than a sector";
}

TEST(NbdNegotiation, OldServers) {
    EXPECT_EQ(refusal_of(NbdScript().greeting(0)).code(), ErrorCode::conflict);
    const auto oldstyle =
        NbdScript().number(nbd::magic).number(nbd::oldstyle_magic).number(size).text(std::string(128, '\0'));
    EXPECT_EQ(refusal_of(oldstyle).code(), ErrorCode::conflict);
}

TEST(NbdNegotiation, WhatIsNotNbdIsCorrupt) {
    EXPECT_EQ(refusal_of(NbdScript().text("HTTP/1.1 400 Bad Request\r\n\r\n")).code(), ErrorCode::corrupt);
    EXPECT_EQ(refusal_of(NbdScript().number(nbd::magic).text("IHAVENOT").number(std::uint16_t{3})).code(),
              ErrorCode::corrupt);
    EXPECT_EQ(refusal_of(NbdScript().greeting().text("this is no option reply")).code(), ErrorCode::corrupt);
    EXPECT_EQ(refusal_of(NbdScript().greeting().option_reply(1, {}, 6)).code(), ErrorCode::corrupt)
        << "an answer to another option";
    EXPECT_EQ(refusal_of(NbdScript().greeting().option_reply(2, NbdScript().text("server"))).code(),
              ErrorCode::corrupt);
}

TEST(NbdNegotiation, AbsurdInformationIsCorrupt) {
    const auto with = [](const NbdScript& info) {
        return refusal_of(NbdScript().greeting().option_reply(nbd::reply_info, info).export_info(size).ack()).code();
    };
    EXPECT_EQ(with({}), ErrorCode::corrupt);
    EXPECT_EQ(with(NbdScript().text("x")), ErrorCode::corrupt);
    EXPECT_EQ(with(NbdScript().number(nbd::info_export).number(size)), ErrorCode::corrupt) << "without flags";
    EXPECT_EQ(with(NbdScript().number(nbd::info_export).number(~Bytes{0}).number(std::uint16_t{1})),
              ErrorCode::corrupt);
    EXPECT_EQ(with(NbdScript().number(nbd::info_block_size).number(std::uint32_t{1})), ErrorCode::corrupt);
    EXPECT_EQ(refusal_of(NbdScript().greeting().export_info(size).block_size(0, 4096).ack()).code(),
              ErrorCode::corrupt);
    EXPECT_EQ(refusal_of(NbdScript().greeting().export_info(size).block_size(512, 511).ack()).code(),
              ErrorCode::corrupt);
    EXPECT_EQ(refusal_of(NbdScript().greeting().ack()).code(), ErrorCode::corrupt) << "no size";
}

TEST(NbdNegotiation, AnAnswerThatIsTooLongIsNotWaitedFor) {
    const auto script =
        NbdScript().greeting().number(nbd::option_reply_magic).number(nbd::option_go).number(3U).number(0xffffffffU);
    EXPECT_EQ(refusal_of(script).code(), ErrorCode::corrupt);
}

TEST(NbdNegotiation, AListOfAnswersThatDoesNotEnd) {
    NbdScript script;
    script.greeting();
    for (int i = 0; i < 10'000; ++i) {
        script.export_info(size);
    }
    EXPECT_EQ(refusal_of(script).code(), ErrorCode::corrupt);
}

TEST(NbdNegotiation, EveryEarlyEndIsUnavailable) {
    const auto whole = NbdScript().greeting().export_info(size).description("words").ack().bytes();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        NbdScript cut;
        for (std::size_t i = 0; i < length; ++i) {
            cut.number(std::to_integer<std::uint8_t>(whole[i]));
        }
        EXPECT_EQ(refusal_of(cut).code(), ErrorCode::unavailable) << length;
    }
}

TEST(NbdReader, RepliesInAnotherOrderAreMatched) {
    const std::string a(512, 'a');
    const std::string b(1024, 'b');
    const auto script = NbdScript().opened(size).reply(2, 0, b).reply(1, 0, a).reply(3, 5);
    for (const std::size_t piece : {1U, 15U, 100'000U}) {
        const auto channel = reader_of(script, piece);
        channel->request({0, 512});
        channel->request({4096, 1024});
        channel->request({8192, 512});
        const auto first = channel->receive({});
        EXPECT_EQ(first.range, (Range{4096, 1024}));
        EXPECT_TRUE(std::ranges::equal(first.data, std::as_bytes(std::span(b))));
        const auto second = channel->receive({});
        EXPECT_EQ(second.range, (Range{0, 512}));
        EXPECT_TRUE(std::ranges::equal(second.data, std::as_bytes(std::span(a))));
        try {
            channel->receive({});
            ADD_FAILURE() << "no error";
        } catch (const ReadFailure& failure) {
            EXPECT_EQ(failure.code(), ErrorCode::external);
            EXPECT_EQ(failure.range(), (Range{8192, 512}));
        }
        EXPECT_EQ(channel->in_flight(), 0U);
    }
}

TEST(NbdReader, ErrorsInFrontOfDataDoNotShiftIt) {
    NbdScript script;
    script.opened(size);
    for (std::uint64_t cookie = 1; cookie <= 30; ++cookie) {
        cookie % 3 == 0 ? script.reply(cookie, 0, std::string(512 * cookie, 'x')) : script.reply(cookie, 5);
    }
    const auto channel = reader_of(script);
    for (std::uint64_t cookie = 1; cookie <= 30; ++cookie) {
        channel->request({cookie * 512, 512 * cookie});
    }
    for (std::uint64_t cookie = 1; cookie <= 30; ++cookie) {
        if (cookie % 3 != 0) {
            EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::external);
            continue;
        }
        const auto reply = channel->receive({});
        EXPECT_EQ(reply.range.offset, cookie * 512);
        EXPECT_TRUE(std::ranges::all_of(reply.data, [](std::byte value) { return value == std::byte{'x'}; }));
    }
}

TEST(NbdReader, LiesAreCorruptAndEndTheChannel) {
    const std::vector<NbdScript> lies{
        NbdScript().opened(size).reply(2, 0, std::string(512, 'a')),             // never asked
        NbdScript().opened(size).reply(0, 5),                                    // never asked, and an error
        NbdScript().opened(size).text("neither a reply nor anything else"),      //
        NbdScript().opened(size).number(0x668e33efU).text(std::string(28, 0))};  // structured, not negotiated
    for (const auto& lie : lies) {
        const auto channel = reader_of(lie);
        channel->request({0, 512});
        EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::corrupt);
        EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::corrupt) << "for good";
    }
    const auto twice = reader_of(NbdScript().opened(size).reply(1, 0, std::string(512, 'a')).reply(1, 0));
    twice->request({0, 512});
    twice->request({512, 512});
    EXPECT_EQ(twice->receive({}).range.offset, 0U);
    EXPECT_EQ(code_of([&] { twice->receive({}); }), ErrorCode::corrupt) << "answered twice";
}

TEST(NbdReader, AnEndInTheMiddleIsUnavailable) {
    const auto whole = NbdScript().opened(size).reply(1, 0, std::string(512, 'a'));
    for (const std::size_t missing : {1U, 511U, 512U, 513U, 528U}) {
        NbdScript cut;
        for (std::size_t i = 0; i + missing < whole.bytes().size(); ++i) {
            cut.number(std::to_integer<std::uint8_t>(whole.bytes()[i]));
        }
        const auto channel = reader_of(cut);
        channel->request({0, 512});
        EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::unavailable) << missing;
    }
}

TEST(NbdReader, AServerThatShutsDownIsUnavailable) {
    const auto channel = reader_of(NbdScript().opened(size).reply(1, nbd::error_shutdown));
    channel->request({0, 512});
    EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::unavailable);
}

TEST(NbdReader, RequestsAgainstTheContractAreOurDefect) {
    const auto channel = reader_of(NbdScript().opened(size));
    for (const Range range :
         {Range{0, 0}, Range{0, 33 * MiB}, Range{size - 511, 512}, Range{size, 512}, Range{~Bytes{0} - 511, 512}}) {
        EXPECT_EQ(code_of([&] { channel->request(range); }), ErrorCode::internal) << range.offset;
    }
    EXPECT_EQ(code_of([&] { channel->receive({}); }), ErrorCode::internal) << "nothing in flight";
}

TEST(NbdWriter, AnswersInAnotherOrderAreMatched) {
    const auto channel = writer_of(NbdScript().opened(size).reply(2).reply(1).reply(3));
    channel->write(0, Content(512), {});
    channel->write(512, Content(512), {});
    channel->zero({4096, 4096}, {});
    EXPECT_THAT(channel->unanswered(), testing::ElementsAre(Range{0, 512}, Range{512, 512}, Range{4096, 4096}));
    channel->drain({});
    EXPECT_TRUE(channel->unanswered().empty());
}

TEST(NbdWriter, WhatWasRefusedStaysUnanswered) {
    const auto channel = writer_of(NbdScript().opened(size).reply(1).reply(3).reply(2, nbd::error_no_space).reply(4));
    for (Bytes at = 0; at < 4096; at += 1024) {
        channel->write(at, Content(512), {});
    }
    EXPECT_EQ(code_of([&] { channel->drain({}); }), ErrorCode::exhausted);
    EXPECT_THAT(channel->unanswered(), testing::ElementsAre(Range{1024, 512}, Range{3072, 512}));
    EXPECT_EQ(code_of([&] { channel->write(8192, Content(512), {}); }), ErrorCode::exhausted) << "for good";
    EXPECT_EQ(code_of([&] { channel->zero({16384, 512}, {}); }), ErrorCode::exhausted);
    EXPECT_EQ(code_of([&] { channel->flush({}); }), ErrorCode::exhausted);
    EXPECT_THAT(channel->unanswered(),
                testing::ElementsAre(Range{1024, 512}, Range{3072, 512}, Range{8192, 512}, Range{16384, 512}));
}

TEST(NbdWriter, LiesAreCorrupt) {
    for (const auto& lie : {NbdScript().opened(size).reply(9), NbdScript().opened(size).text(std::string(16, 'x')),
                            NbdScript().opened(size).reply(1).reply(1)}) {
        const auto channel = writer_of(lie);
        channel->write(0, Content(512), {});
        channel->write(512, Content(512), {});
        EXPECT_EQ(code_of([&] { channel->drain({}); }), ErrorCode::corrupt);
        EXPECT_FALSE(channel->unanswered().empty());
    }
}

TEST(NbdWriter, AFlushThatFailsIsTold) {
    const auto channel = writer_of(NbdScript().opened(size).reply(1).reply(2, 5));
    channel->write(0, Content(512), {});
    const auto error = error_of([&] { channel->flush({}); });
    EXPECT_EQ(error.code(), ErrorCode::external);
    EXPECT_THAT(error.cause(), HasSubstr("the flush"));
    EXPECT_TRUE(channel->unanswered().empty());
}

TEST(NbdWriter, TheUnansweredAreBounded) {
    const auto heard = std::make_shared<Content>();
    const auto endpoint = scripted_endpoint({NbdScript().opened(64 * MiB)}, 1 << 20, heard);
    const auto channel =
        nbd::make_write_channel(std::make_unique<nbd::Link>(endpoint, NbdOptions{}, std::stop_token{}), nullptr);
    const Content data(1 * MiB);
    // The server never answers and then ends: the write that would be too much notices.
    const auto error = error_of([&] {
        for (Bytes at = 0; at < 64 * MiB; at += data.size()) {
            channel->write(at, data, {});
        }
    });
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_LE(heard->size(), nbd::most_unanswered_bytes + 4096);
    EXPECT_EQ(channel->unanswered().size(), nbd::most_unanswered_bytes / data.size() + 1) << "and the one that threw";
}

TEST(NbdWriter, RequestsAgainstTheContractAreOurDefect) {
    const auto channel = writer_of(NbdScript().opened(size));
    EXPECT_EQ(code_of([&] { channel->write(size - 511, Content(512), {}); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { channel->write(0, Content(33 * MiB), {}); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { channel->zero({0, size + 1}, {}); }), ErrorCode::internal);
    EXPECT_EQ(code_of([&] { channel->zero({~Bytes{0} - 511, 512}, {}); }), ErrorCode::internal);
}

TEST(NbdSink, AnotherSizeBehindANewChannelIsCorrupt) {
    const auto sink = open_nbd_sink(scripted_endpoint({NbdScript().opened(size), NbdScript().opened(size - 512)}));
    const auto first = sink->open_channel({});
    EXPECT_EQ(code_of([&] { sink->open_channel({}); }), ErrorCode::corrupt);
}

TEST(NbdSink, TheInstanceIsThatOfTheLastChannel) {
    const auto server = [](const std::string& words) {
        return NbdScript().greeting().export_info(size).description(words).ack();
    };
    const auto sink = open_nbd_sink(scripted_endpoint({server("one"), server("two"), NbdScript().opened(size)}));
    sink->open_channel({});
    EXPECT_EQ(sink->instance(), "one");
    sink->open_channel({});
    EXPECT_EQ(sink->instance(), "two");
    sink->open_channel({});
    EXPECT_EQ(sink->instance(), "");
}

TEST(NbdSink, WithoutMultiConnOneChannelAtATime) {
    const auto sink = open_nbd_sink(
        scripted_endpoint({NbdScript().opened(size, NbdScript::usual_flags & ~nbd::flag_can_multi_conn)}));
    EXPECT_FALSE(sink->has_multi_conn());
    auto channel = sink->open_channel({});
    EXPECT_EQ(code_of([&] { sink->open_channel({}); }), ErrorCode::conflict);
    channel.reset();
    EXPECT_NO_THROW(sink->open_channel({}));
}

}  // namespace
