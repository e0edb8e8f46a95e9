#include "cli/progress_display.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "base/json_fields.hpp"
#include "cli/progress_text.hpp"

namespace mk::cli {

namespace {

using json::value_or;

constexpr int percent_per_line = 10;

std::string id_of(const Json& job) {
    return value_or<std::string>(job, "job_id", "");
}

/// Finished steps are told once each. A step that was never started says nothing.
class StepTeller {
  public:
    std::vector<std::string> news(const Json& job, Instant now) {
        std::vector<std::string> lines;
        for (const auto& step : value_or<Json>(job, "steps", Json::array())) {
            const auto status = value_or<std::string>(step, "status", "pending");
            const bool was_started = !value_or<std::string>(step, "started_at", "").empty() || status == "skipped";
            if (status == "pending" || status == "running" || !was_started) {
                continue;
            }
            if (told_.insert({id_of(job), value_or<int>(step, "order", 0)}).second) {
                lines.push_back(step_line(job, step, now));
            }
        }
        return lines;
    }

  private:
    std::set<std::pair<std::string, int>> told_;
};

std::string prefix_of(const Json& job, std::size_t jobs) {
    return jobs > 1 ? printable(subject_of(job)) + "  " : "";
}

class LiveDisplay : public ProgressDisplay {
  public:
    explicit LiveDisplay(Session& session) : session_(session) {}

    void update(const std::vector<Json>& jobs) override {
        std::string lasting;
        std::vector<std::string> moving;
        for (const auto& job : jobs) {
            for (const auto& line : steps_.news(job, session_.now())) {
                lasting += fit(prefix_of(job, jobs.size()) + line) + "\n";
            }
            const auto bars = copy_lines(job);
            moving.insert(moving.end(), bars.begin(), bars.end());
            if (const auto* step = running_step(job); step != nullptr && bars.empty()) {
                moving.push_back(prefix_of(job, jobs.size()) + step_line(job, *step, session_.now()));
            }
        }
        redraw(lasting, moving);
    }

    void note(const std::string& text) override { redraw(printable(text) + "\n", {}); }
    void finish() override { redraw("", {}); }

  private:
    /// A line that wraps would break the way back up.
    std::string fit(const std::string& line) const { return cut(line, session_.terminal().width - 1); }

    void redraw(const std::string& lasting, const std::vector<std::string>& moving) {
        std::string text;
        for (std::size_t i = 0; i < drawn_; ++i) {
            text += "\x1b[1A\x1b[2K";
        }
        text += "\r" + lasting;
        for (const auto& line : moving) {
            text += fit(line) + "\n";
        }
        drawn_ = moving.size();
        session_.write_message(text);
    }

    Session& session_;
    StepTeller steps_;
    std::size_t drawn_ = 0;  ///< lines of the block that the cursor stands below
};

class PlainDisplay : public ProgressDisplay {
  public:
    explicit PlainDisplay(Session& session) : session_(session) {}

    void update(const std::vector<Json>& jobs) override {
        for (const auto& job : jobs) {
            const auto prefix = prefix_of(job, jobs.size());
            for (const auto& line : steps_.news(job, session_.now())) {
                session_.say(prefix + line);
            }
            tell_stage(job, prefix);
            tell_percent(job);
        }
    }

    void note(const std::string& text) override { session_.say(text); }

  private:
    /// The running step and what it does, when that changed.
    void tell_stage(const Json& job, const std::string& prefix) {
        const auto* step = running_step(job);
        if (step == nullptr) {
            return;
        }
        const auto stage =
            std::to_string(value_or<int>(*step, "order", 0)) + value_or<std::string>(*step, "detail", "");
        if (auto& told = stages_[id_of(job)]; told != stage) {
            told = stage;
            auto line = *step;
            line["started_at"] = nullptr;  // a step that has just begun has no duration worth a word
            session_.say(prefix + step_line(job, line, session_.now()));
        }
    }

    void tell_percent(const Json& job) {
        const auto percent = copy_percent(job);
        if (!percent) {
            return;
        }
        auto& told = tenths_[id_of(job)];
        if (*percent / percent_per_line > told) {
            told = *percent / percent_per_line;
            session_.say(copy_lines(job).front());
        }
    }

    Session& session_;
    StepTeller steps_;
    std::map<std::string, std::string> stages_;
    std::map<std::string, int> tenths_;
};

class JsonDisplay : public ProgressDisplay {
  public:
    explicit JsonDisplay(Session& session) : session_(session) {}

    void update(const std::vector<Json>& jobs) override {
        for (const auto& job : jobs) {
            if (auto& told = told_[id_of(job)]; told != job) {
                told = job;
                session_.show_line({{"type", "progress"}, {"job", job}});
            }
        }
    }

    void note(const std::string& text) override { session_.show_line({{"type", "note"}, {"message", text}}); }

  private:
    Session& session_;
    std::map<std::string, Json> told_;
};

}  // namespace

std::unique_ptr<ProgressDisplay> make_progress_display(Session& session) {
    if (session.is_json()) {
        return std::make_unique<JsonDisplay>(session);
    }
    if (session.terminal().can_redraw()) {
        return std::make_unique<LiveDisplay>(session);
    }
    return std::make_unique<PlainDisplay>(session);
}

}  // namespace mk::cli
