#include "target/volumes/operation_runner.hpp"

#include <algorithm>
#include <set>

#include "base/ids.hpp"
#include "base/json_fields.hpp"
#include "base/log.hpp"

namespace mk::volumes {
namespace {

constexpr auto insert_sql =
    "INSERT INTO volume_operations (operation_id, kind, object_id, state, created_ms) VALUES (:id, :kind, :object, "
    "'running', :now)";
constexpr auto finish_sql =
    "UPDATE volume_operations SET state = :state, result = :result, error = :error, completed_ms = :now "
    "WHERE operation_id = :id AND state = 'running'";
constexpr auto interrupt_sql =
    "UPDATE volume_operations SET state = 'interrupted', completed_ms = :now WHERE state = 'running'";
constexpr auto forget_sql = "DELETE FROM volume_operations WHERE created_ms < :before AND state <> 'running'";
constexpr auto select_sql =
    "SELECT operation_id, kind, object_id, state, result, error FROM volume_operations WHERE operation_id = :id";
constexpr auto last_result_sql =
    "SELECT result FROM volume_operations WHERE kind = :kind AND object_id = :object AND state = 'completed' "
    "ORDER BY completed_ms DESC LIMIT 1";
constexpr std::chrono::hours kept_for{30 * 24};

}  // namespace

OperationRunner::OperationRunner(std::shared_ptr<db::Database> database, const Clock& clock, KeyLocks& locks,
                                 Options options)
    : database_(std::move(database)), clock_(clock), locks_(locks), options_(std::move(options)) {
    locks_.on_release([this] {
        {
            const std::lock_guard lock(waiting_mutex_);
            ++changes_;
        }
        changed_.notify_all();
    });
}

OperationRunner::~OperationRunner() {
    stop();
    locks_.on_release({});
}

void OperationRunner::start() {
    const auto now = clock_.now();
    database_->execute(interrupt_sql, {{"now", to_ms(now)}});
    database_->execute(forget_sql, {{"before", to_ms(now - kept_for)}});
    for (unsigned i = 0; i < options_.workers; ++i) {
        workers_.emplace_back([this](const std::stop_token& token) { work_loop(token); });
    }
}

void OperationRunner::stop() {
    std::deque<Item> never_begun;
    {
        const std::lock_guard lock(waiting_mutex_);
        is_stopping_ = true;
        never_begun.swap(waiting_);
    }
    for (auto& worker : workers_) {
        worker.request_stop();
    }
    changed_.notify_all();
    workers_.clear();
    for (const auto& item : never_begun) {
        finish(item, {"interrupted", "", ""});
    }
}

std::string OperationRunner::submit(const std::string& kind, const std::string& object_id, const std::string& key,
                                    Work work) {
    Item item{new_uuid(), kind, object_id, key, std::move(work)};
    const auto id = item.id;
    database_->execute(insert_sql, {{"id", id}, {"kind", kind}, {"object", object_id}, {"now", to_ms(clock_.now())}});
    std::optional<Error> refusal;
    {
        const std::lock_guard lock(waiting_mutex_);
        if (is_stopping_) {
            refusal = Error(ErrorCode::unavailable, "the Volume Daemon is stopping", {.retry_safe = true});
        } else if (waiting_.size() >= options_.max_waiting) {
            refusal = Error(ErrorCode::exhausted, "too many volume operations are waiting",
                            {.remedy = "Try again later.", .retry_safe = true});
        } else {
            live_[id] = {"Waiting for its turn", 0};
            waiting_.push_back(item);
            ++changes_;
        }
    }
    if (refusal) {
        finish(item, {"interrupted", "", ""});
        throw *refusal;
    }
    changed_.notify_all();
    return id;
}

/// The oldest item whose key nobody holds, with the key; items of one key keep their order. The caller does not hold
/// the mutex.
std::optional<std::pair<OperationRunner::Item, KeyLocks::Lease>> OperationRunner::take_ready() {
    const std::lock_guard lock(waiting_mutex_);
    std::set<std::string> tried;
    for (auto item = waiting_.begin(); item != waiting_.end(); ++item) {
        if (!tried.insert(item->key).second) {
            continue;
        }
        if (auto lease = locks_.try_acquire(item->key)) {
            auto taken = std::make_pair(std::move(*item), std::move(*lease));
            waiting_.erase(item);
            return taken;
        }
    }
    return std::nullopt;
}

void OperationRunner::work_loop(const std::stop_token& stop) {
    std::uint64_t seen = 0;
    while (!stop.stop_requested()) {
        {
            std::unique_lock lock(waiting_mutex_);
            changed_.wait(lock, stop, [&] { return changes_ != seen; });
            seen = changes_;
        }
        while (!stop.stop_requested()) {
            const auto ready = take_ready();
            if (!ready) {
                break;
            }
            run(ready->first, stop);
        }
    }
}

void OperationRunner::run(const Item& item, const std::stop_token& stop) {
    const Progress progress(stop, [&](const std::string& detail, double percent) {
        const std::lock_guard lock(waiting_mutex_);
        live_[item.id] = {detail, percent};
    });
    // An open session's id is the name of its export: who knows it all may write.
    const auto object = item.object_id.substr(0, 8);
    log::info("operation={} kind={} object={} key={} begins", item.id, item.kind, object, item.key);
    try {
        const Json result = item.work(progress);
        finish(item, {"completed", json::dump(result), ""});
        log::info("operation={} kind={} object={} completed", item.id, item.kind, object);
    } catch (const std::exception& caught) {
        const auto error = as_error(caught);
        const bool is_interrupted = error.code() == ErrorCode::cancelled && stop.stop_requested();
        log::error("operation={} kind={} object={} {}: {}", item.id, item.kind, object,
                   is_interrupted ? "interrupted" : "failed", error.full_text());
        finish(item, {is_interrupted ? "interrupted" : "failed", "", json::dump(options_.error_to_json(error))});
    }
}

void OperationRunner::finish(const Item& item, const End& end) {
    const auto text_or_null = [](const std::string& text) {
        return text.empty() ? db::Value(nullptr) : db::Value(text);
    };
    std::optional<Error> failure;
    try {
        database_->execute(finish_sql, {{"state", end.state},
                                        {"result", text_or_null(end.result)},
                                        {"error", text_or_null(end.error)},
                                        {"now", to_ms(clock_.now())},
                                        {"id", item.id}});
    } catch (const Error& error) {
        // The row says "running" until the next start makes it "interrupted": the caller repeats then, which is safe.
        log::error("operation={} its end could not be recorded: {}", item.id, error.full_text());
        failure = error;
    }
    const std::lock_guard lock(waiting_mutex_);
    live_.erase(item.id);
    if (failure) {
        unrecorded_[item.id] = end;
    }
}

OperationView OperationRunner::get(const std::string& id) const {
    const auto row = database_->query_one(select_sql, {{"id", id}});
    if (!row) {
        throw Error(ErrorCode::not_found, "there is no operation " + id);
    }
    OperationView view{row->text("operation_id"),
                       row->text("kind"),
                       row->text("object_id"),
                       row->text("state"),
                       "",
                       0,
                       row->text_or_null("result").value_or(""),
                       row->text_or_null("error").value_or("")};
    const std::lock_guard lock(waiting_mutex_);
    if (const auto live = live_.find(id); live != live_.end()) {
        view.detail = live->second.detail;
        view.percent = live->second.percent;
    }
    if (const auto ended = unrecorded_.find(id); ended != unrecorded_.end()) {
        view.state = ended->second.state;
        view.result = ended->second.result;
        view.error = ended->second.error;
    }
    if (view.state == "completed") {
        view.percent = 100;
    }
    return view;
}

std::optional<std::string> OperationRunner::last_result(const std::string& kind, const std::string& object_id) const {
    const auto row = database_->query_one(last_result_sql, {{"kind", kind}, {"object", object_id}});
    return row ? row->text_or_null("result") : std::nullopt;
}

}  // namespace mk::volumes
