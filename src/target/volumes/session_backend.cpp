#include "target/volumes/session_backend.hpp"

#include <algorithm>

#include "base/secret.hpp"

namespace mk::volumes {
namespace {

/// Which parts of a disk were touched, in at most 8 million granules of at least a leaf. No lock: several connections
/// write at once.
class TouchedMap {
  public:
    explicit TouchedMap(Bytes length) : length_(length), granule_(leaf_size) {
        while ((length_ + granule_ - 1) / granule_ > most_granules) {
            granule_ *= 2;
        }
        words_ = std::vector<std::atomic<std::uint64_t>>((count() + 63) / 64);
    }

    void touch(Range range) {
        for (Bytes i = range.offset / granule_; i * granule_ < range.end(); ++i) {
            const std::uint64_t bit = std::uint64_t{1} << (i % 64);
            if ((words_[i / 64].load(std::memory_order_relaxed) & bit) == 0) {
                words_[i / 64].fetch_or(bit);
            }
        }
    }

    std::vector<Range> ranges() const {
        std::vector<Range> found;
        for (Bytes i = 0; i < count(); ++i) {
            if ((words_[i / 64].load() >> (i % 64) & 1) == 0) {
                continue;
            }
            const Range granule{i * granule_, std::min(granule_, length_ - i * granule_)};
            if (!found.empty() && found.back().end() == granule.offset) {
                found.back().length += granule.length;
            } else {
                found.push_back(granule);
            }
        }
        return found;
    }

  private:
    static constexpr Bytes most_granules = 8 << 20;
    Bytes count() const { return (length_ + granule_ - 1) / granule_; }

    const Bytes length_;
    Bytes granule_;
    std::vector<std::atomic<std::uint64_t>> words_;
};

class DirectBackend : public SessionBackend {
  public:
    DirectBackend(const std::string& path, Bytes length, bool knows_history)
        : SessionBackend(length, knows_history), device_(path), touched_(length) {}

    void read(Bytes offset, std::span<std::byte> buffer) override { device_.read(offset, buffer); }
    std::vector<ContentExtent> extents(Range range, std::size_t limit) override {
        return device_.extents(range, limit);
    }
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
    bool has_lost_writes() const override { return device_.has_lost_writes(); }
    void seal() override { device_.flush(); }
    void expect(Bytes) override {}
    std::optional<std::vector<Range>> touched() const override {
        return knows_history() ? std::optional(touched_.ranges()) : std::nullopt;
    }

  private:
    void touch(Range range) {
        note_write();
        touched_.touch(range);
    }

    const BlockDevice device_;
    TouchedMap touched_;
};

class StagedBackend : public SessionBackend {
  public:
    StagedBackend(const std::string& path, std::unique_ptr<Overlay> overlay,
                  std::unique_ptr<StagingSpace::Account> account, bool knows_history)
        : SessionBackend(overlay->size(), knows_history),
          device_(path),
          overlay_(std::move(overlay)),
          account_(std::move(account)) {
        account_->set_used(overlay_->data_bytes());
    }

    void read(Bytes offset, std::span<std::byte> buffer) override {
        for (const auto& absent : overlay_->read(offset, buffer)) {
            device_.read(absent.offset, buffer.subspan(absent.offset - offset, absent.length));
        }
    }
    std::vector<ContentExtent> extents(Range range, std::size_t limit) override;
    void forget_cached() override {
        overlay_->forget_cached();
        device_.forget_cached();
    }
    void write(Bytes offset, std::span<const std::byte> data) override {
        account_->require_room(data.size());
        note_write();
        overlay_->write(offset, data);
        account_->set_used(overlay_->data_bytes());
    }
    void zero(Range range, bool) override {
        note_write();
        overlay_->zero(range);
        account_->set_used(overlay_->data_bytes());
    }
    void flush() override { overlay_->flush(); }
    bool has_lost_writes() const override { return overlay_->has_lost_writes(); }
    void seal() override { overlay_->seal(); }
    void expect(Bytes more) override { account_->expect(more); }
    std::optional<std::vector<Range>> touched() const override { return std::nullopt; }

  private:
    const BlockDevice device_;
    const std::unique_ptr<Overlay> overlay_;
    const std::unique_ptr<StagingSpace::Account> account_;
};

std::vector<ContentExtent> StagedBackend::extents(Range range, std::size_t limit) {
    std::vector<ContentExtent> found;
    const auto add = [&](const ContentExtent& extent) {
        if (!found.empty() && found.back().is_zero == extent.is_zero) {
            found.back().range.length += extent.range.length;
        } else if (found.size() < limit) {
            found.push_back(extent);
        } else {
            return false;
        }
        return true;
    };
    struct Piece {
        Range range;
        std::optional<Written> kind;
    };
    std::vector<Piece> pieces;
    overlay_->walk(range, [&](Range piece, const Written* kind) {
        pieces.push_back({piece, kind == nullptr ? std::nullopt : std::optional(*kind)});
    });
    for (const auto& piece : pieces) {
        const auto under = piece.kind ? std::vector<ContentExtent>{{piece.range, *piece.kind == Written::zero}}
                                      : device_.extents(piece.range, limit);
        if (!std::all_of(under.begin(), under.end(), add) ||
            (!under.empty() && under.back().range.end() < piece.range.end())) {
            break;
        }
    }
    return found;
}

}  // namespace

SessionBackend::SessionBackend(Bytes length, bool knows_history)
    : length_(length), knows_history_(knows_history), instance_("write session " + random_hex(16)) {}

std::shared_ptr<SessionBackend> make_direct_backend(const std::string& device_path, Bytes length, bool knows_history) {
    return std::make_shared<DirectBackend>(device_path, length, knows_history);
}

std::shared_ptr<SessionBackend> make_staged_backend(const std::string& device_path, std::unique_ptr<Overlay> overlay,
                                                    std::unique_ptr<StagingSpace::Account> account,
                                                    bool knows_history) {
    return std::make_shared<StagedBackend>(device_path, std::move(overlay), std::move(account), knows_history);
}

}  // namespace mk::volumes
