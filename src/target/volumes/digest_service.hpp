#pragma once
// Tells the digests of what open sessions hold, so that two ends can be compared without moving data
// (docs/data-plane.md section 6, "mk-digest/1"). Thread-safe.
//
//   {"export": "name", "offset": 0, "length": 33554432}   ->   {"digests": ["32 hex digits" per leaf ...]}
//                                                              {"error": {...}}, and the next question may come
// Each question and each answer is one line. A run has 1 byte to 32 MiB and lies within the export.

#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/json.hpp"
#include "os/byte_stream.hpp"
#include "target/volumes/export_registry.hpp"

namespace mk::volumes {

class DigestService {
  public:
    using ErrorToJson = std::function<Json(const Error&)>;

    DigestService(ExportRegistry& exports, ErrorToJson error_to_json)
        : exports_(exports), error_to_json_(std::move(error_to_json)) {}
    /// Answers one question after the other until the client leaves, is cut, or sends a line longer than 8 KiB.
    void serve(std::unique_ptr<os::ByteStream> stream) const;

  private:
    std::string answer(const std::string& question) const;
    Json digests_of(const Json& question) const;

    ExportRegistry& exports_;
    const ErrorToJson error_to_json_;
};

}  // namespace mk::volumes
