#include "boot_probe.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/retry.hpp"
#include "os/process.hpp"
#include "probe.hpp"

namespace mk::oma {

namespace {

using failover::BootEvidence;
using failover::BootExpectation;
using failover::BootObservation;
using failover::BootVerdict;
using failover::CloudMachine;

constexpr std::size_t evidence_length = 400;

/// A probe, and what became of it.
struct Asked {
    std::string text;  ///< as it was asked for
    Probe probe;
    bool is_answered = false;
    std::string last_wrong;  ///< the last answer without the text that was expected
};

/// One boot that is being watched.
class Watch {
  public:
    Watch(const CloudMachine& machine, const BootExpectation& expected) : machine_(machine), expected_(expected) {
        for (const auto& text : expected.probes) {
            probes_.push_back({.text = text, .probe = parse_probe(text), .last_wrong = {}});
        }
        learn(machine);
        observe("cloudstack", false, "CloudStack says " + machine.state + addresses_text());
    }

    bool is_all_answered() const {
        return std::all_of(probes_.begin(), probes_.end(), [](const Asked& asked) { return asked.is_answered; });
    }
    bool has_address() const { return !addresses_.empty(); }

    void try_probes(std::chrono::milliseconds limit, const std::stop_token& stop) {
        for (auto& asked : probes_) {
            for (std::size_t i = 0; i < addresses_.size() && !asked.is_answered; ++i) {
                if (const auto answer = answer_of(addresses_[i], asked.probe, limit, stop)) {
                    judge(asked, *answer);
                }
            }
        }
    }

    /// False when the machine does not run any more: nothing will answer then.
    bool look(const std::optional<CloudMachine>& now) {
        const auto state = now ? now->state : "gone";
        if (state != state_) {
            observe("cloudstack", false, "CloudStack says " + state);
            state_ = state;
        }
        if (now) {
            learn(*now);
        }
        return now && (state == "Running" || state == "Starting" || state == "Migrating" || state == "Unknown");
    }

    BootEvidence booted() {
        std::string text;
        for (const auto& seen : observations_) {
            if (seen.is_proof) {
                text += (text.empty() ? "" : "; ") + seen.text + " (seen " + to_iso8601(seen.when) + ")";
            }
        }
        return {BootVerdict::booted, text, std::move(observations_)};
    }
    BootEvidence not_proven(const std::string& why) {
        return {BootVerdict::not_proven, "CloudStack says " + machine_.state + "; " + why, std::move(observations_)};
    }
    BootEvidence stopped() {
        return {BootVerdict::failed, "the machine does not run any more: CloudStack says " + state_,
                std::move(observations_)};
    }
    BootEvidence silent() {
        std::string text;
        for (const auto& asked : probes_) {
            if (asked.is_answered) {
                continue;
            }
            const auto why = asked.last_wrong.empty()
                                 ? "no answer to " + asked.text + " at " + addresses_.front()
                                 : "the answer to " + asked.text + " had no '" + expected_.text + "'";
            text += (text.empty() ? "" : "; ") + why;
            observe(asked.text, false, why);
        }
        return {BootVerdict::failed, text + " within " + format_duration(expected_.limit), std::move(observations_)};
    }

  private:
    void observe(const std::string& probe, bool is_proof, const std::string& text) {
        observations_.push_back({.when = SystemClock().now(),
                                 .probe = probe,
                                 .is_proof = is_proof,
                                 .text = text.substr(0, evidence_length)});
    }
    void learn(const CloudMachine& machine) {
        for (const auto& nic : machine.nics) {
            const bool is_new = std::find(addresses_.begin(), addresses_.end(), nic.ip_address) == addresses_.end();
            if (!nic.ip_address.empty() && is_new) {
                addresses_.push_back(nic.ip_address);
            }
        }
        state_ = machine.state;
    }
    std::string addresses_text() const {
        std::string text;
        for (const auto& address : addresses_) {
            text += (text.empty() ? ", address " : ", ") + address;
        }
        return text.empty() ? ", no address" : text;
    }
    void judge(Asked& asked, const std::string& answer) {
        const bool is_text = asked.probe.kind != Probe::Kind::ping;
        if (is_text && answer.find(expected_.text) == std::string::npos) {
            if (asked.last_wrong != answer) {
                asked.last_wrong = answer;
                observe(asked.text, false, answer);
            }
            return;
        }
        asked.is_answered = true;
        observe(asked.text, true, answer);
    }

    const CloudMachine& machine_;
    const BootExpectation& expected_;
    std::vector<Asked> probes_;
    std::vector<std::string> addresses_;
    std::string state_;
    std::vector<BootObservation> observations_;
};

/// A CloudStack that does not answer for a moment says nothing about the machine.
bool still_runs(Watch& watch, const BootProbe::Look& look, const CloudMachineId& id, const std::stop_token& stop) {
    try {
        return watch.look(look(id, stop));
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        return true;
    }
}

}  // namespace

void BootProbe::check(const BootExpectation& expected) {
    for (const auto& text : expected.probes) {
        if (parse_probe(text).kind == Probe::Kind::ping && !os::is_installed("ping")) {
            throw Error(ErrorCode::unavailable, "the program ping is not installed on the appliance",
                        {.consequence = "Nothing was changed.",
                         .remedy = "Install the package iputils-ping, or use another probe.",
                         .retry_safe = true});
        }
    }
}

BootEvidence BootProbe::observe(const CloudMachine& machine, const BootExpectation& expected,
                                const std::stop_token& stop) {
    using Steady = std::chrono::steady_clock;
    Watch watch(machine, expected);
    if (expected.probes.empty()) {
        return watch.not_proven("no probe was asked for");
    }
    if (!watch.has_address()) {
        return watch.not_proven("CloudStack gave the machine no address to probe");
    }
    const auto begun = Steady::now();
    auto looked = begun;
    for (;;) {
        watch.try_probes(pacing_.answer_limit, stop);
        if (watch.is_all_answered()) {
            return watch.booted();
        }
        const auto now = Steady::now();
        if (now - looked >= pacing_.look) {
            looked = now;
            if (!still_runs(watch, look_, machine.id, stop)) {
                return watch.stopped();
            }
        }
        if (now - begun >= expected.limit) {
            return watch.silent();
        }
        if (!pause(pacing_.interval, stop)) {
            throw Error(ErrorCode::cancelled, "stopped while waiting for the machine to boot");
        }
    }
}

}  // namespace mk::oma
