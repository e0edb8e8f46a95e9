#pragma once
// A libguestfs tool under limits: time, memory, output, and the life of this process. Used by inspection and
// conversion.
//
// Memory: the appliance's RAM is given by the caller (LIBGUESTFS_MEMSIZE); beside it every process of the run has an
// address space limit, which stops a program that runs away, and writes no core file. There is no limit for the sum of
// all processes: that is the service manager's (MemoryMax).

#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "os/process.hpp"
#include "target/guest/run_folder.hpp"
#include "target/guest/tools.hpp"

namespace mk::guest {

using LineSink = std::function<void(const std::string& line)>;

struct LimitedCommand {
    std::vector<std::string> argv{};
    std::vector<std::pair<std::string, std::string>> environment{};  ///< beside what every libguestfs tool gets
    std::chrono::milliseconds time{};
    int appliance_mib = 0;   ///< RAM that the appliance gets in the end; the address space follows from it
    Bytes output_limit = 0;  ///< of stdout and stderr together
};

struct LimitedExit {
    os::Exit exit;
    bool said_too_much = false;  ///< it was ended because of its output
};

/// Runs it in `folder` and returns when it, and whatever it started, has ended. SIGTERM first, SIGKILL after 5 s;
/// SIGTERM also when the calling thread dies, which it does with its process. Throws Error when it cannot be started.
LimitedExit run_limited(const LimitedCommand& command, const Tools& tools, const RunFolder& folder,
                        const std::stop_token& stop, const LineSink& on_stdout, const LineSink& on_stderr);

/// Passes lines on until `limit` bytes are used up, and counts the rest.
class CappedLog {
  public:
    CappedLog(LineSink sink, Bytes limit) : sink_(std::move(sink)), left_(limit) {}

    void line(const std::string& text);
    /// Tells how much was not kept; nothing when all was.
    void finish();

  private:
    LineSink sink_;
    Bytes left_;
    Bytes dropped_lines_ = 0;
    Bytes dropped_bytes_ = 0;
};

}  // namespace mk::guest
