#pragma once
// A machine, its snapshot and its target in memory, for tests of a pass.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <utility>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "block/memory.hpp"
#include "engine/ports.hpp"

namespace mk::test {

using Content = std::vector<std::byte>;

struct FakeDisk {
    engine::FrozenDisk facts;
    Content content;
    std::vector<Range> allocated;                       ///< answer for "*"
    std::map<std::string, std::vector<Range>> changes;  ///< answer by change id
    std::optional<Error> allocation_error;
    std::function<void(Range)> on_read;
    std::function<void()> on_open_reader;  ///< for each channel
    Bytes reader_capacity_offset = 0;
};

class FakeSource : public engine::Source {
  public:
    std::vector<FakeDisk> machine_disks;
    bool is_frozen = false;
    int freezes = 0;
    int releases = 0;
    int failing_releases = 0;
    std::function<void(const std::stop_token&)> on_release;
    int open_readers = 0;
    std::mutex mutex;
    std::optional<Error> freeze_error;

    std::unique_ptr<engine::FrozenMachine> freeze(const std::function<void(std::string_view)>& on_stage,
                                                  const std::stop_token& stop) override;
};

class FakeFrozen : public engine::FrozenMachine {
  public:
    explicit FakeFrozen(FakeSource& source) : source_(source) {
        for (const FakeDisk& disk : source.machine_disks) {
            disks_.push_back(disk.facts);
        }
    }
    const std::vector<engine::FrozenDisk>& disks() const override { return disks_; }
    Instant taken_at() const override { return from_ms(1'700'000'000'000); }
    std::string consistency() const override { return "crash"; }
    std::vector<Range> changed_areas(const DiskId& id, const std::string& since, const std::stop_token&) override {
        const FakeDisk& disk = find(id);
        if (since == "*") {
            if (disk.allocation_error) {
                throw *disk.allocation_error;
            }
            return disk.allocated;
        }
        const auto found = disk.changes.find(since);
        if (found == disk.changes.end()) {
            throw Error(ErrorCode::corrupt, "the change id is not valid").with_native("ChangeTrackingReset");
        }
        return found->second;
    }
    std::unique_ptr<block::BlockSource> open(const DiskId& id, const std::stop_token&) override;
    void release(const std::stop_token& released_stop) override {
        EXPECT_EQ(source_.open_readers, 0) << "readers must be closed first";
        if (source_.on_release) {
            source_.on_release(released_stop);
        }
        if (source_.failing_releases > 0) {
            --source_.failing_releases;
            throw Error(ErrorCode::external, "the snapshot is stuck");
        }
        source_.is_frozen = false;
        ++source_.releases;
    }

  private:
    const FakeDisk& find(const DiskId& id) const {
        return *std::find_if(source_.machine_disks.begin(), source_.machine_disks.end(),
                             [&](const FakeDisk& disk) { return disk.facts.id == id; });
    }

    FakeSource& source_;
    std::vector<engine::FrozenDisk> disks_;
};

class CountedSource : public block::MemorySource {
  public:
    CountedSource(Content content, FakeSource& source) : MemorySource(std::move(content)), source_(source) {
        const std::lock_guard lock(source_.mutex);
        ++source_.open_readers;
    }
    ~CountedSource() override {
        const std::lock_guard lock(source_.mutex);
        --source_.open_readers;
    }

  private:
    FakeSource& source_;
};

inline std::unique_ptr<block::BlockSource> FakeFrozen::open(const DiskId& id, const std::stop_token&) {
    const FakeDisk& disk = find(id);
    Content content = disk.content;
    content.resize(content.size() + disk.reader_capacity_offset);
    auto reader = std::make_unique<CountedSource>(std::move(content), source_);
    reader->on_read = disk.on_read;
    reader->on_open = disk.on_open_reader;
    return reader;
}

inline std::unique_ptr<engine::FrozenMachine> FakeSource::freeze(const std::function<void(std::string_view)>& on_stage,
                                                                 const std::stop_token& stop) {
    on_stage("Taking snapshot");
    if (stop.stop_requested()) {
        throw Error(ErrorCode::cancelled, "stopped");
    }
    if (freeze_error) {
        throw *freeze_error;
    }
    ++freezes;
    is_frozen = true;
    return std::make_unique<FakeFrozen>(*this);
}

/// The digests of what a sink holds now.
class FakeDigests : public engine::TargetDigests {
  public:
    explicit FakeDigests(std::shared_ptr<block::MemorySink> sink) : sink_(std::move(sink)) {}
    std::vector<LeafDigest> leaves(Range run, const std::stop_token&) override {
        LeafDigester digester(run);
        digester.add(std::span(sink_->content).subspan(run.offset, run.length));
        return digester.finish();
    }

  private:
    std::shared_ptr<block::MemorySink> sink_;
};

/// Hands out sinks on disks that stay here.
class FakeTarget : public engine::Target {
  public:
    std::map<DiskId, std::shared_ptr<block::MemorySink>> disks;

    std::unique_ptr<block::BlockSink> open(const DiskId& id, const std::stop_token&) override {
        return std::make_unique<Handle>(find(id));
    }
    std::unique_ptr<engine::TargetDigests> open_digests(const DiskId& id, const std::stop_token&) override {
        return std::make_unique<FakeDigests>(find(id));
    }

  private:
    class Handle : public block::BlockSink {
      public:
        explicit Handle(std::shared_ptr<block::MemorySink> sink) : sink_(std::move(sink)) {}
        Bytes capacity() const override { return sink_->capacity(); }
        Bytes max_request() const override { return sink_->max_request(); }
        bool has_multi_conn() const override { return sink_->has_multi_conn(); }
        std::unique_ptr<block::WriteChannel> open_channel(const std::stop_token& stop) override {
            return sink_->open_channel(stop);
        }
        std::string instance() const override { return sink_->instance(); }

      private:
        std::shared_ptr<block::MemorySink> sink_;
    };

    std::shared_ptr<block::MemorySink> find(const DiskId& id) const {
        const auto found = disks.find(id);
        if (found == disks.end()) {
            throw Error(ErrorCode::not_found, "no such export");
        }
        return found->second;
    }
};

/// Keeps checkpoints as a file would. `on_call` is called before each operation and may throw where that is allowed.
class FakeCheckpoints : public engine::CheckpointLog {
  public:
    std::vector<engine::DiskCheckpoint> disks;
    std::function<void(const char*)> on_call;
    std::function<void()> on_append;   ///< must not throw
    std::atomic<bool> is_dead{false};  ///< the process was killed: nothing is kept any more

    std::vector<engine::DiskCheckpoint> load() override {
        call("load");
        return disks;
    }
    void begin(const std::vector<engine::DiskCheckpoint>& begun) override {
        call("begin");
        if (!is_dead) {
            disks = begun;
        }
    }
    void append(const DiskId& disk, std::span<const engine::RunDigest> runs,
                std::span<const Range> differences) noexcept override {
        if (on_append) {
            on_append();
        }
        const std::lock_guard lock(mutex_);
        if (is_dead) {
            return;
        }
        for (engine::DiskCheckpoint& each : disks) {
            if (each.id == disk) {
                each.differences.insert(each.differences.end(), differences.begin(), differences.end());
                each.runs.insert(each.runs.end(), runs.begin(), runs.end());
            }
        }
    }

  private:
    void call(const char* what) {
        if (on_call) {
            on_call(what);
        }
    }
    std::mutex mutex_;
};

/// Runs of random bytes and of zeros, of random length.
inline Content random_content(std::mt19937_64& random, Bytes size) {
    Content content(size);
    for (Bytes at = 0; at < size;) {
        const Bytes length = std::min<Bytes>(size - at, 1 + random() % (512 * KiB));
        if (random() % 2 == 0) {
            Bytes i = at;
            for (; i + 8 <= at + length; i += 8) {
                const std::uint64_t word = random();
                std::memcpy(content.data() + i, &word, 8);
            }
            std::fill(content.begin() + static_cast<std::ptrdiff_t>(i),
                      content.begin() + static_cast<std::ptrdiff_t>(at + length), std::byte{7});
        }
        at += length;
    }
    return content;
}

}  // namespace mk::test
