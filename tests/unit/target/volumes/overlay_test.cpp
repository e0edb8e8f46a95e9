#include "target/volumes/overlay.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "support/error_of.hpp"
#include "support/temporary_folder.hpp"
#include "target/volumes/overlay_apply.hpp"
#include "unit/target/volumes/sync_faults.hpp"

namespace mk::volumes {
namespace {

using test::code_of;
using test::error_of;
using test::TemporaryFolder;

constexpr Bytes disk_size = 4 * MiB;

std::vector<std::byte> filled(std::size_t size, int value) {
    return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

/// The volume, in memory; `on_effect` is called before each effect and may throw.
class MemoryTarget : public ApplyTarget {
  public:
    explicit MemoryTarget(Bytes size) : content(size, std::byte{0xee}) {}
    void write(Bytes offset, std::span<const std::byte> data) override {
        effect();
        std::copy(data.begin(), data.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    void zero(Range range) override {
        effect();
        std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length, std::byte{0});
    }
    void flush() override { effect(); }

    std::vector<std::byte> content;
    int effects = 0;
    int fail_at = -1;

  private:
    void effect() {
        if (effects++ == fail_at) {
            throw Error(ErrorCode::external, "input/output error");
        }
    }
};

class OverlayTest : public testing::Test {
  protected:
    TemporaryFolder folder;
    OverlayFiles files = OverlayFiles::in(folder.path(), "session");
    JournalHeader header{"session", "volume", disk_size};

    std::unique_ptr<Overlay> make() { return Overlay::create(files, header); }

    /// Three flushes: data, data over it and elsewhere, zeroes over a part.
    void write_three_generations(Overlay& overlay) const {
        overlay.write(1000, filled(3000, 1));
        overlay.flush();
        overlay.write(2000, filled(1000, 2));
        overlay.write(disk_size - 512, filled(512, 3));
        overlay.flush();
        overlay.zero({2500, 1000});
        overlay.flush();
    }

    std::vector<std::byte> expected_content() const {
        std::vector<std::byte> content(disk_size, std::byte{0xee});
        const auto fill = [&](Bytes offset, Bytes length, int value) {
            std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(offset), length, static_cast<std::byte>(value));
        };
        fill(1000, 3000, 1);
        fill(2000, 1000, 2);
        fill(disk_size - 512, 512, 3);
        fill(2500, 1000, 0);
        return content;
    }
};

TEST_F(OverlayTest, ReadsBackItsOwnWritesAndNamesTheRest) {
    auto overlay = make();
    overlay->write(100, filled(50, 7));
    overlay->zero({150, 50});
    auto buffer = filled(200, 9);
    const auto absent = overlay->read(50, buffer);
    EXPECT_EQ(absent, (std::vector<Range>{{50, 50}, {200, 50}}));
    EXPECT_EQ(buffer[50], std::byte{7});
    EXPECT_EQ(buffer[100], std::byte{0});
    EXPECT_EQ(buffer[0], std::byte{9});
}

TEST_F(OverlayTest, AppliesWhatWasSealed) {
    auto overlay = make();
    write_three_generations(*overlay);
    overlay->seal();
    MemoryTarget target(disk_size);
    const auto applied = apply_overlay(files, header, target);
    EXPECT_EQ(target.content, expected_content());
    EXPECT_EQ(applied.data_bytes + applied.zero_bytes, 3000u + 512u);
}

TEST_F(OverlayTest, SealsWritesThatNobodyFlushed) {
    auto overlay = make();
    overlay->write(0, filled(512, 5));
    overlay->seal();
    MemoryTarget target(disk_size);
    apply_overlay(files, header, target);
    EXPECT_EQ(target.content[511], std::byte{5});
    EXPECT_EQ(target.content[512], std::byte{0xee});
}

TEST_F(OverlayTest, SealsNothingAtAll) {
    make()->seal();
    MemoryTarget target(disk_size);
    EXPECT_EQ(apply_overlay(files, header, target).data_bytes, 0u);
    EXPECT_EQ(target.content, std::vector<std::byte>(disk_size, std::byte{0xee}));
}

TEST_F(OverlayTest, IsNotAppliedWithoutSeal) {
    auto overlay = make();
    write_three_generations(*overlay);
    MemoryTarget target(disk_size);
    EXPECT_FALSE(is_sealed(files));
    EXPECT_EQ(code_of([&] { apply_overlay(files, header, target); }), ErrorCode::corrupt);
    EXPECT_EQ(target.effects, 0);
}

TEST_F(OverlayTest, IsNotAppliedToAnotherVolume) {
    make()->seal();
    MemoryTarget target(disk_size);
    EXPECT_EQ(code_of([&] { apply_overlay(files, {"session", "other", disk_size}, target); }), ErrorCode::corrupt);
}

TEST_F(OverlayTest, ApplyRestartedAfterEachEffectEndsInTheSameContent) {
    auto overlay = make();
    write_three_generations(*overlay);
    overlay->seal();
    overlay.reset();
    MemoryTarget whole(disk_size);
    apply_overlay(files, header, whole);
    ASSERT_GT(whole.effects, 3);
    for (int n = 0; n < whole.effects; ++n) {
        MemoryTarget target(disk_size);
        target.fail_at = n;
        EXPECT_EQ(code_of([&] { apply_overlay(files, header, target); }), ErrorCode::external);
        apply_overlay(files, header, target);
        EXPECT_EQ(target.content, expected_content()) << "effect " << n;
    }
}

TEST_F(OverlayTest, ApplyStopsBetweenPieces) {
    auto overlay = make();
    write_three_generations(*overlay);
    overlay->seal();
    std::stop_source stop;
    stop.request_stop();
    MemoryTarget target(disk_size);
    EXPECT_EQ(code_of([&] {
                  apply_overlay(files, header, target, {.workers = 1, .stop = stop.get_token(), .on_progress = {}});
              }),
              ErrorCode::cancelled);
}

TEST_F(OverlayTest, RefusesDataThatChangedAfterTheSeal) {
    auto overlay = make();
    overlay->write(4096, filled(4096, 1));
    overlay->seal();
    const auto other = filled(1, 9);
    os::write_at(os::open_file(files.data, O_WRONLY).get(), 5000, other);
    MemoryTarget target(disk_size);
    EXPECT_EQ(code_of([&] { apply_overlay(files, header, target); }), ErrorCode::corrupt);
    EXPECT_EQ(target.content[4096], std::byte{0xee});
}

TEST_F(OverlayTest, ReopenedKeepsWhatWasFlushedAndDropsTheSeal) {
    auto overlay = make();
    write_three_generations(*overlay);
    overlay->write(0, filled(10, 8));  // never flushed
    overlay.reset();
    auto again = Overlay::reopen(files);
    auto buffer = filled(10, 0x55);
    EXPECT_EQ(again->read(0, buffer).size(), 1u);
    again->seal();
    again.reset();
    EXPECT_TRUE(is_sealed(files));
    again = Overlay::reopen(files);
    EXPECT_FALSE(is_sealed(files));
    again->write(disk_size - 1024, filled(512, 4));
    again->seal();
    MemoryTarget target(disk_size);
    apply_overlay(files, header, target);
    EXPECT_EQ(target.content[disk_size - 600], std::byte{4});
}

/// What a crash may leave of a file, without the fsyncs that would make trying every byte slow.
void leave(const std::string& path, std::string_view content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
}

TEST_F(OverlayTest, JournalCutAnywhereKeepsExactlyTheRecordsBeforeTheCut) {
    std::vector<Bytes> ends;  // of the journal after each durable record
    std::vector<std::vector<WrittenRange>> known;
    auto overlay = make();
    const auto note = [&] {
        const auto content = read_journal(files.journal);
        ends.push_back(content.valid_length);
        known.push_back(content.written.ranges());
    };
    note();
    overlay->write(1000, filled(3000, 1));
    overlay->flush();
    note();
    overlay->zero({2000, 500});
    overlay->flush();
    note();
    overlay->write(0, filled(100, 2));
    overlay->flush();
    note();
    overlay->seal();
    overlay.reset();
    const auto whole = os::read_file(files.journal);
    for (Bytes length = 0; length <= whole.size(); ++length) {
        leave(files.journal, std::string_view(whole).substr(0, length));
        const auto content = read_journal(files.journal);
        const auto record = std::upper_bound(ends.begin(), ends.end(), length) - ends.begin();
        if (record == 0) {
            EXPECT_FALSE(content.header) << length;
            continue;
        }
        EXPECT_EQ(content.written.ranges(), known[static_cast<std::size_t>(record) - 1]) << length;
        EXPECT_EQ(content.seal.has_value(), length == whole.size()) << length;
    }
}

TEST_F(OverlayTest, TornJournalGoesOnAfterItsLastWholeRecord) {
    auto overlay = make();
    overlay->write(0, filled(512, 1));
    overlay->flush();
    const auto end = read_journal(files.journal).valid_length;
    overlay->write(1024, filled(512, 2));
    overlay->flush();
    overlay.reset();
    const auto whole = os::read_file(files.journal);
    for (Bytes length = end; length < whole.size(); ++length) {
        leave(files.journal, std::string_view(whole).substr(0, length));
        auto again = Overlay::reopen(files);
        again->write(2048, filled(512, 3));
        again->flush();
        EXPECT_EQ(read_journal(files.journal).written.ranges(),
                  (std::vector<WrittenRange>{{{0, 512}, Written::data}, {{2048, 512}, Written::data}}));
    }
}

TEST_F(OverlayTest, DamagedRecordEndsTheJournal) {
    auto overlay = make();
    const auto start = read_journal(files.journal).valid_length;
    overlay->write(0, filled(512, 1));
    overlay->flush();
    overlay.reset();
    const auto whole = os::read_file(files.journal);
    for (Bytes at = start; at < whole.size(); ++at) {
        auto damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
        leave(files.journal, damaged);
        EXPECT_TRUE(read_journal(files.journal).written.empty()) << at;
    }
}

TEST_F(OverlayTest, WithoutHeaderItIsCorrupt) {
    make();
    leave(files.journal, "MKJ");
    EXPECT_EQ(code_of([&] { Overlay::reopen(files); }), ErrorCode::corrupt);
}

std::vector<WrittenRange> seal_of(const OverlayFiles& files) {
    return read_journal(files.journal).seal.value();
}

TEST_F(OverlayTest, SealHoldsTheDigestOfEveryPieceInsideOfItsLeaf) {
    auto overlay = make();
    const auto data = filled(2 * leaf_size, 1);
    overlay->write(leaf_size / 2, data);
    overlay->zero({3 * leaf_size, leaf_size});
    overlay->seal();
    const auto bytes = std::span(data);
    EXPECT_EQ(seal_of(files),
              (std::vector<WrittenRange>{
                  {{leaf_size / 2, leaf_size / 2}, Written::data, leaf_digest(bytes.first(leaf_size / 2))},
                  {{leaf_size, leaf_size}, Written::data, leaf_digest(bytes.first(leaf_size))},
                  {{2 * leaf_size, leaf_size / 2}, Written::data, leaf_digest(bytes.first(leaf_size / 2))},
                  {{3 * leaf_size, leaf_size}, Written::zero}}));
}

TEST_F(OverlayTest, ApplyTellsWhatWholeLeavesMustHoldNow) {
    auto overlay = make();
    overlay->write(leaf_size / 2, filled(leaf_size + leaf_size / 2, 1));
    overlay->zero({3 * leaf_size - 512, 2 * leaf_size + 1024});
    overlay->write(disk_size - 512, filled(512, 1));
    overlay->seal();
    MemoryTarget target(disk_size);
    EXPECT_EQ(apply_overlay(files, header, target).whole_leaves,
              (std::vector<ExpectedLeaves>{{1, 2, leaf_digest(filled(leaf_size, 1))},
                                           {3, 5, leaf_digest(filled(leaf_size, 0))}}));
}

TEST_F(OverlayTest, SealDigestsWhatArrivedAndNotWhatTheDiskMadeOfIt) {
    auto overlay = make();
    overlay->write(4096, filled(4096, 1));
    overlay->flush();
    os::write_at(os::open_file(files.data, O_WRONLY).get(), 5000, filled(1, 9));
    overlay->seal();
    MemoryTarget target(disk_size);
    EXPECT_EQ(code_of([&] { apply_overlay(files, header, target); }), ErrorCode::corrupt);
    EXPECT_EQ(target.effects, 0);
}

TEST_F(OverlayTest, UnflushedOverwriteBeforeARestartIsNoDamage) {
    auto overlay = make();
    overlay->write(0, filled(8192, 1));
    overlay->flush();
    overlay->write(0, filled(8192, 2));  // reaches the file, not the journal
    overlay.reset();
    Overlay::reopen(files)->seal();
    MemoryTarget target(disk_size);
    apply_overlay(files, header, target);
    EXPECT_EQ(target.content[0], std::byte{2});
}

TEST_F(OverlayTest, PiecesThatWereWrittenOverInPartAreDigestedAnew) {
    auto overlay = make();
    overlay->write(0, filled(leaf_size, 1));
    overlay->write(1000, filled(10, 2));
    overlay->zero({2000, 10});
    overlay->seal();
    MemoryTarget target(disk_size);
    apply_overlay(files, header, target);
    EXPECT_EQ(target.content[999], std::byte{1});
    EXPECT_EQ(target.content[1000], std::byte{2});
    EXPECT_EQ(target.content[2005], std::byte{0});
    EXPECT_EQ(target.content[leaf_size - 1], std::byte{1});
}

TEST_F(OverlayTest, WritersOfTheSameLeafAndOfOthersAgreeWithTheSeal) {
    auto overlay = make();
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 4; ++writer) {
        writers.emplace_back([&, writer] {
            for (Bytes i = 0; i < 64; ++i) {
                overlay->write((i % 8) * 4096, filled(8192, writer + 1));
                overlay->write(leaf_size * static_cast<Bytes>(writer + 1) + i * 512, filled(512, writer + 1));
                overlay->zero({leaf_size * 6 + i * 512, 4096});
            }
        });
    }
    writers.clear();
    overlay->seal();
    MemoryTarget target(disk_size);
    apply_overlay(files, header, target);
    EXPECT_EQ(target.content[leaf_size * 4 + 512], std::byte{4});
}

/// Files of this process cannot grow beyond a size as long as it lives: a write across it fails half-way.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(Bytes size) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        auto limit = before_;
        limit.rlim_cur = size;
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        ::signal(SIGXFSZ, handler_);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
    void (*handler_)(int);
};

TEST_F(OverlayTest, WriteThatFailsHalfWayIsNoDamage) {
    auto overlay = make();
    overlay->write(leaf_size, filled(2 * leaf_size, 1));
    overlay->zero({3 * leaf_size, 4096});
    overlay->flush();
    {
        const FileSizeLimit limit(leaf_size + 8192);
        EXPECT_ANY_THROW(overlay->write(leaf_size, filled(3 * leaf_size, 2)));
    }
    overlay->seal();
    MemoryTarget target(disk_size);
    apply_overlay(files, header, target);
    EXPECT_EQ(target.content[leaf_size], std::byte{2}) << "the half that arrived before the failure";
    EXPECT_EQ(target.content[2 * leaf_size], std::byte{1});
    EXPECT_EQ(target.content[3 * leaf_size], std::byte{0});
    EXPECT_EQ(target.content[3 * leaf_size + 4096], std::byte{0xee}) << "nothing was answered for it";
}

TEST_F(OverlayTest, AfterAFailedFlushOnlyWhatWasDurableCountsAndOnlyWhenReopened) {
    for (const auto& failing : {files.data, files.journal}) {
        auto overlay = make();
        overlay->write(0, filled(4096, 1));
        overlay->flush();
        overlay->write(8192, filled(4096, 2));
        {
            const test_support::SyncFaults faults(failing);
            EXPECT_EQ(code_of([&] { overlay->flush(); }), ErrorCode::external);
        }
        EXPECT_TRUE(overlay->has_lost_writes());
        EXPECT_EQ(code_of([&] { overlay->flush(); }), ErrorCode::external);
        EXPECT_EQ(code_of([&] { overlay->seal(); }), ErrorCode::external);
        overlay.reset();
        overlay = Overlay::reopen(files);
        EXPECT_FALSE(overlay->has_lost_writes());
        auto buffer = filled(4096, 9);
        EXPECT_TRUE(overlay->read(0, buffer).empty());
        overlay->flush();
        overlay.reset();
        files.remove();
    }
}

TEST_F(OverlayTest, JournalNeverGrowsLongerThanItIsRead) {
    constexpr Bytes limit = 200;
    auto journal = Journal::create(files.journal, header, limit);
    const std::vector<WrittenRange> one{{{0, 512}, Written::data}};
    int appended = 0;
    const auto error = error_of([&] {
        for (; appended < 100; ++appended) {
            journal.append_ranges(one);
        }
    });
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_FALSE(error.advice().consequence.empty());
    EXPECT_FALSE(error.advice().remedy.empty());
    EXPECT_GT(appended, 0);
    EXPECT_LE(os::read_file(files.journal).size(), limit);
    EXPECT_EQ(read_journal(files.journal).written.ranges(), one);
    EXPECT_EQ(
        code_of([&] {
            Journal::reopen(files.journal, limit).append_seal(std::vector(10, WrittenRange{{0, 512}, Written::zero}));
        }),
        ErrorCode::exhausted);
    EXPECT_FALSE(is_sealed(files));
}

TEST_F(OverlayTest, SeveralWorkersApplyTheSame) {
    const auto path = folder / "volume";
    const auto volume = os::open_file(path, O_RDWR | O_CREAT);
    ASSERT_EQ(::ftruncate(volume.get(), static_cast<off_t>(disk_size)), 0);
    auto overlay = make();
    std::vector<std::byte> expected(disk_size);
    for (Bytes at = 512; at + 5000 < disk_size; at += 9000) {
        const auto data = filled(5000, static_cast<int>(at / 9000 % 200) + 1);
        overlay->write(at, data);
        std::copy(data.begin(), data.end(), expected.begin() + static_cast<std::ptrdiff_t>(at));
    }
    overlay->seal();
    struct FileTarget : ApplyTarget {
        explicit FileTarget(const std::string& file) : device(file) {}
        void write(Bytes offset, std::span<const std::byte> data) override { device.write(offset, data); }
        void zero(Range range) override { device.zero(range); }
        void flush() override { device.flush(); }
        BlockDevice device;
    } target(path);
    double told = 0;
    apply_overlay(files, header, target,
                  {.workers = 4, .stop = {}, .on_progress = [&](double percent) { told = std::max(told, percent); }});
    std::vector<std::byte> content(disk_size);
    target.device.read(0, content);
    EXPECT_EQ(content, expected);
    EXPECT_EQ(told, 100.0);
}

}  // namespace
}  // namespace mk::volumes
