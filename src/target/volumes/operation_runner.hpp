#pragma once
// Work that outlives its request: recorded in volume_operations, done by a bounded pool of workers, one at a time per
// key (a volume, a machine). What ran when the daemon died reads "interrupted" afterwards; repeating the call is safe.
// An end that the database cannot take (its disk is full) is told from memory until the daemon ends.
// Thread-safe.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "db/database.hpp"
#include "target/volumes/key_locks.hpp"

namespace mk::volumes {

/// How work tells where it is, and hears that it should stop.
class Progress {
  public:
    using Report = std::function<void(const std::string& detail, double percent)>;
    Progress(std::stop_token stop, Report report) : stop_(std::move(stop)), report_(std::move(report)) {}
    const std::stop_token& stop() const { return stop_; }
    void say(const std::string& detail, double percent = 0) const { report_(detail, percent); }

  private:
    std::stop_token stop_;
    Report report_;
};

struct OperationView {
    std::string id;
    std::string kind;
    std::string object_id;
    std::string state;  ///< running (also while it waits for its turn), completed, failed, interrupted
    std::string detail;
    double percent = 0;
    std::string result;  ///< JSON; empty when there is none
    std::string error;   ///< JSON; empty when there is none
};

class OperationRunner {
  public:
    /// The result as JSON; failures by throwing.
    using Work = std::function<Json(const Progress&)>;
    using ErrorToJson = std::function<Json(const Error&)>;
    struct Options {
        unsigned workers = 8;
        std::size_t max_waiting = 512;
        ErrorToJson error_to_json;  ///< how errors are told to the other side
    };

    OperationRunner(std::shared_ptr<db::Database> database, const Clock& clock, KeyLocks& locks, Options options);
    ~OperationRunner();

    /// Marks what a former daemon left as interrupted, forgets what is older than 30 days, starts the workers.
    void start();
    /// Asks running work to stop and waits for it; what did not finish becomes "interrupted". Idempotent.
    void stop();
    /// The id. Throws Error{exhausted} when too much waits, Error{unavailable} when stopping.
    std::string submit(const std::string& kind, const std::string& object_id, const std::string& key, Work work);
    /// Throws Error{not_found}.
    OperationView get(const std::string& id) const;
    /// The result of the newest completed operation of that kind on that object.
    std::optional<std::string> last_result(const std::string& kind, const std::string& object_id) const;

  private:
    struct Item {
        std::string id;
        std::string kind;
        std::string object_id;
        std::string key;
        Work work;
    };
    struct Live {
        std::string detail;
        double percent = 0;
    };
    struct End {
        std::string state;
        std::string result;
        std::string error;
    };

    void work_loop(const std::stop_token& stop);
    std::optional<std::pair<Item, KeyLocks::Lease>> take_ready();
    void run(const Item& item, const std::stop_token& stop);
    void finish(const Item& item, const End& end);

    const std::shared_ptr<db::Database> database_;
    const Clock& clock_;
    KeyLocks& locks_;
    const Options options_;
    mutable std::mutex waiting_mutex_;
    std::condition_variable_any changed_;
    bool is_stopping_ = false;
    std::uint64_t changes_ = 0;
    std::deque<Item> waiting_;
    std::map<std::string, Live> live_;
    std::map<std::string, End> unrecorded_;  ///< few: without a database nothing new is taken either
    std::vector<std::jthread> workers_;
};

}  // namespace mk::volumes
