#include "target/volumes/session_backend.hpp"

#include <algorithm>

#include <sys/stat.h>

namespace mk::volumes {
namespace {

class DirectBackend : public SessionBackend {
  public:
    DirectBackend(const std::string& path, Bytes length, bool knows_history)
        : device_(path),
          length_(length),
          knows_history_(knows_history),
          touched_((length + unit_size - 1) / unit_size) {}

    Bytes size() const override { return length_; }
    void read(Bytes offset, std::span<std::byte> buffer) override { device_.read(offset, buffer); }
    void forget_cached() override { device_.forget_cached(); }
    void write(Bytes offset, std::span<const std::byte> data) override {
        touch({offset, data.size()});  // before: a write that fails half-way has touched too
        device_.write(offset, data);
    }
    void zero(Range range, bool keep_allocated) override {
        touch(range);
        device_.zero(range, keep_allocated);
    }
    void flush() override { device_.flush(); }
    void seal() override { device_.flush(); }
    Bytes staged_bytes() const override { return 0; }

    bool has_writes() const override {
        const std::lock_guard lock(touched_mutex_);
        return !knows_history_ || std::find(touched_.begin(), touched_.end(), true) != touched_.end();
    }

    std::optional<std::vector<Range>> touched() const override {
        if (!knows_history_) {
            return std::nullopt;
        }
        std::vector<Range> ranges;
        const std::lock_guard lock(touched_mutex_);
        for (std::size_t unit = 0; unit < touched_.size(); ++unit) {
            if (touched_[unit]) {
                ranges.push_back({unit * unit_size, std::min(unit_size, length_ - unit * unit_size)});
            }
        }
        return ranges;
    }

  private:
    void touch(Range range) {
        const std::lock_guard lock(touched_mutex_);
        for (Bytes unit = range.offset / unit_size; unit * unit_size < range.end(); ++unit) {
            touched_[unit] = true;
        }
    }

    const BlockDevice device_;
    const Bytes length_;
    const bool knows_history_;
    mutable std::mutex touched_mutex_;
    std::vector<bool> touched_;
};

class StagedBackend : public SessionBackend {
  public:
    StagedBackend(const std::string& path, std::unique_ptr<Overlay> overlay, OverlayFiles files)
        : device_(path), overlay_(std::move(overlay)), files_(std::move(files)) {}

    Bytes size() const override { return overlay_->size(); }
    void read(Bytes offset, std::span<std::byte> buffer) override {
        for (const auto& absent : overlay_->read(offset, buffer)) {
            device_.read(absent.offset, buffer.subspan(absent.offset - offset, absent.length));
        }
    }
    void forget_cached() override {}
    void write(Bytes offset, std::span<const std::byte> data) override { overlay_->write(offset, data); }
    void zero(Range range, bool) override { overlay_->zero(range); }
    void flush() override { overlay_->flush(); }
    void seal() override { overlay_->seal(); }
    bool has_writes() const override { return overlay_->has_writes(); }
    std::optional<std::vector<Range>> touched() const override { return std::nullopt; }

    Bytes staged_bytes() const override {
        struct stat status{};
        return ::stat(files_.data.c_str(), &status) == 0 ? static_cast<Bytes>(status.st_blocks) * 512 : 0;
    }

  private:
    const BlockDevice device_;
    const std::unique_ptr<Overlay> overlay_;
    const OverlayFiles files_;
};

}  // namespace

std::shared_ptr<SessionBackend> make_direct_backend(const std::string& device_path, Bytes length, bool knows_history) {
    return std::make_shared<DirectBackend>(device_path, length, knows_history);
}

std::shared_ptr<SessionBackend> make_staged_backend(const std::string& device_path, std::unique_ptr<Overlay> overlay,
                                                    const OverlayFiles& files) {
    return std::make_shared<StagedBackend>(device_path, std::move(overlay), files);
}

}  // namespace mk::volumes
