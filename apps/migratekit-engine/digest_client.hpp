#pragma once
// Asks the Volume Daemon's digest service (docs/data-plane.md section 6): a line of JSON per question
// {"export","offset","length"} -> {"digests":["32 hex"...]} or {"error":{...}}.

#include <memory>
#include <string>
#include <vector>

#include "engine/ports.hpp"
#include "os/byte_stream.hpp"

namespace mk {

/// One thread. Errors: unavailable, timeout (connection lost: open another one), corrupt (an answer that is none), what
/// the service answered, cancelled.
class DigestClient : public engine::TargetDigests {
  public:
    DigestClient(std::string export_name, std::unique_ptr<os::ByteStream> stream);
    std::vector<LeafDigest> leaves(Range run, const std::stop_token& stop) override;

  private:
    std::string read_line();

    std::string export_name_;
    std::unique_ptr<os::ByteStream> stream_;
    std::string received_;  ///< of the next line
};

}  // namespace mk
