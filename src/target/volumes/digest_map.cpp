#include "target/volumes/digest_map.hpp"

#include <algorithm>
#include <cstring>

#include <unistd.h>

#include "base/digest.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"
#include "target/volumes/overlay.hpp"

namespace mk::volumes {

/// Digests of the units; an empty text stands for a unit of zeroes, so that a thin disk has a small file.
struct DigestMap::Units {
    Bytes size = 0;
    std::vector<std::string> digests;
};

namespace {

Bytes length_of(std::size_t unit, Bytes size) {
    return std::min(unit_size, size - unit * unit_size);
}

/// Of `length` zero bytes; the full unit is computed once.
std::string zero_digest(Bytes length) {
    const auto compute = [](Bytes bytes) {
        const std::vector<std::byte> zeroes(bytes);
        return sha256_hex(std::span<const std::byte>(zeroes));
    };
    static const std::string full = compute(unit_size);
    return length == unit_size ? full : compute(length);
}

std::string overall(Bytes size, const std::vector<std::string>& digests) {
    Sha256 hash;
    for (std::size_t unit = 0; unit < digests.size(); ++unit) {
        hash.add(digests[unit].empty() ? zero_digest(length_of(unit, size)) : digests[unit]);
    }
    return hash.finish();
}

std::vector<bool> units_met(Bytes size, const std::vector<Range>& touched) {
    std::vector<bool> met((size + unit_size - 1) / unit_size);
    for (const auto& range : touched) {
        for (Bytes at = range.offset / unit_size; at * unit_size < std::min(range.end(), size); ++at) {
            met[at] = true;
        }
    }
    return met;
}

}  // namespace

DigestMap::DigestMap(std::string folder) : folder_(std::move(folder)) {
    os::make_folders(folder_);
}

std::string DigestMap::path(const VolumeId& volume_id) const {
    return folder_ + "/" + volume_id.value + ".json";
}
std::string DigestMap::snapshot_path(const VolumeId& volume_id) const {
    return folder_ + "/" + volume_id.value + ".snapshot.json";
}

std::optional<DigestMap::Units> DigestMap::load(const VolumeId& volume_id) const {
    if (::access(path(volume_id).c_str(), R_OK) != 0) {
        return std::nullopt;
    }
    try {
        const Json json = json::parse(os::read_file(path(volume_id), 256 * MiB));
        Units units{json::require<Bytes>(json, "size"), json::require<std::vector<std::string>>(json, "units")};
        if (json::require<Bytes>(json, "unit_size") == unit_size &&
            units.digests.size() == (units.size + unit_size - 1) / unit_size) {
            return units;
        }
    } catch (const Error& error) {
        log::warn("volume={} its digests cannot be read, the whole volume will be: {}", volume_id.value, error.cause());
    }
    return std::nullopt;
}

void DigestMap::store(const VolumeId& volume_id, const std::string& file, const std::string& content) const {
    try {
        os::write_file_atomically(file, content);
    } catch (const Error& error) {
        os::remove_file(file);  // an old one would lie about what the volume holds now
        log::warn("volume={} its digests cannot be kept, the next commit reads the whole volume: {}", volume_id.value,
                  error.cause());
    }
}

std::string DigestMap::hash(const VolumeId& volume_id, const BlockDevice& device, Units units,
                            const std::vector<Range>& touched, const std::stop_token& stop,
                            const Progress& on_progress) const {
    device.forget_cached();
    AlignedBuffer buffer(unit_size);
    const auto met = units_met(units.size, touched);
    for (std::size_t unit = 0; unit < met.size(); ++unit) {
        if (!met[unit]) {
            continue;
        }
        if (stop.stop_requested()) {
            throw Error(ErrorCode::cancelled,
                        "stopped while reading the volume " + volume_id.value + " for its digest");
        }
        const auto bytes = buffer.first(length_of(unit, units.size));
        device.read(unit * unit_size, bytes);
        units.digests[unit] = is_all_zero(bytes) ? "" : sha256_hex(std::span<const std::byte>(bytes));
        if (on_progress) {
            on_progress(100.0 * static_cast<double>(unit + 1) / static_cast<double>(met.size()));
        }
    }
    const Json json{{"size", units.size}, {"unit_size", unit_size}, {"units", units.digests}};
    store(volume_id, path(volume_id), json::dump(json));
    return overall(units.size, units.digests);
}

std::string DigestMap::from_zero(const VolumeId& volume_id, const BlockDevice& device,
                                 const std::vector<Range>& touched, const std::stop_token& stop,
                                 const Progress& on_progress) const {
    Units units{device.size(), std::vector<std::string>((device.size() + unit_size - 1) / unit_size)};
    return hash(volume_id, device, std::move(units), touched, stop, on_progress);
}

std::string DigestMap::recompute(const VolumeId& volume_id, const BlockDevice& device, const std::stop_token& stop,
                                 const Progress& on_progress) const {
    return from_zero(volume_id, device, {{0, device.size()}}, stop, on_progress);
}

std::string DigestMap::update(const VolumeId& volume_id, const BlockDevice& device, const std::vector<Range>& touched,
                              const std::stop_token& stop, const Progress& on_progress) const {
    auto units = load(volume_id);
    if (!units || units->size != device.size()) {
        return recompute(volume_id, device, stop, on_progress);
    }
    return hash(volume_id, device, std::move(*units), touched, stop, on_progress);
}

std::optional<std::string> DigestMap::known(const VolumeId& volume_id) const {
    const auto units = load(volume_id);
    return units ? std::optional(overall(units->size, units->digests)) : std::nullopt;
}

void DigestMap::save_for_snapshot(const VolumeId& volume_id) const {
    if (::access(path(volume_id).c_str(), R_OK) == 0) {
        store(volume_id, snapshot_path(volume_id), os::read_file(path(volume_id), 256 * MiB));
    } else {
        forget_snapshot(volume_id);
    }
}

void DigestMap::restore_from_snapshot(const VolumeId& volume_id) const {
    if (::access(snapshot_path(volume_id).c_str(), R_OK) == 0) {
        store(volume_id, path(volume_id), os::read_file(snapshot_path(volume_id), 256 * MiB));
    } else {
        os::remove_file(path(volume_id));
    }
}

void DigestMap::forget_snapshot(const VolumeId& volume_id) const {
    os::remove_file(snapshot_path(volume_id));
}

void DigestMap::forget_current(const VolumeId& volume_id) const {
    os::remove_file(path(volume_id));
}

void DigestMap::forget(const VolumeId& volume_id) const {
    os::remove_file(path(volume_id));
    forget_snapshot(volume_id);
}

}  // namespace mk::volumes
