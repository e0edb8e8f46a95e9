#pragma once
// What one process writes the other one reads: structs of the contracts go through their JSON text and back.

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "contracts/vma_api.hpp"
#include "support/error_of.hpp"

namespace mk::contracts::test {

using mk::test::code_of;
using mk::test::error_of;

/// Over text, as on the wire.
inline Json wire(const Json& value) {
    return json::parse(json::dump(value));
}

template <class T>
std::string text(const T& value) {
    return json::dump(to_json(value));
}

inline const std::string a_digest = "00112233445566778899aabbccddeeff";

inline PassRequest a_request() {
    return {.job_id = JobId{"job-1"},
            .vcenter = {.url = "https://vc/sdk",
                        .username = "root",
                        .password = Secret{"s3cret\"\\"},
                        .certificate_sha256 = "AB:CD"},
            .moref = "vm-1",
            .instance_uuid = "5000-1",
            .machine_name = "web",
            .quiesce = "required",
            .disks = {{.disk_id = DiskId{"disk-2000"},
                       .target_uri = "tunnel:///x",
                       .target_is_zero = true,
                       .target_has_writes = true,
                       .base_change_id = "52 aa/7",
                       .base_backing_uuid = "6000C29",
                       .base_capacity = 7 * GiB + 512}},
            .attempt = 3,
            .compare_percent = 5,
            .only_compare = true,
            .priority = -20,
            .bytes_per_second = 100 * MiB};
}

inline PassResult a_result() {
    PassDiskResult disk{.disk_id = DiskId{"disk-2000"},
                        .change_id = "52 aa/8",
                        .backing_uuid = "6000C29",
                        .capacity = 7 * GiB,
                        .incremental = false,
                        .full_copy_reason = "first copy",
                        .planned = 5,
                        .read = 4,
                        .sent = 3,
                        .zeroed = 2,
                        .skipped = 1,
                        .resumed = 6,
                        .compared = 7,
                        .differences = {{512, 1024}, {1ULL << 41, 5 * GiB}},
                        .digests = {{{0, 32 * MiB}, std::string(32, '0')}, {{1ULL << 42, 512}, a_digest}}};
    return {.snapshot_time_ms = 1'700'000'000'123, .consistency = "crash", .wire_bytes = 8, .disks = {disk}};
}

}  // namespace mk::contracts::test
