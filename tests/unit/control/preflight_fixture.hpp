#pragma once
// A machine with a recovery point, and what a check says of it.

#include <map>

#include "control/failover/preflight.hpp"
#include "unit/control/control_plane.hpp"

namespace mk::failover {

class PreflightTest : public test::ControlPlane {
  protected:
    /// Code and severity of everything that was found; notes left out.
    std::map<std::string, Severity> findings(const FailoverRequest& request) {
        std::map<std::string, Severity> found;
        for (const auto& finding : failover->check(vm, request).findings) {
            if (finding.severity != Severity::note) {
                found[finding.code] = finding.severity;
            }
        }
        return found;
    }
    std::map<std::string, Severity> findings(bool live = false) { return findings(request(live)); }
    static FailoverRequest request(bool live) {
        FailoverRequest request;
        request.live = live;
        request.boot.probes = {"http:80/"};
        return request;
    }
    using Found = std::map<std::string, Severity>;
    static Found blocker(const std::string& code) { return {{code, Severity::blocker}}; }
    static Found warning(const std::string& code) { return {{code, Severity::warning}}; }
    /// The text of one finding, notes too; empty when it is not there.
    std::string text_of(const std::string& code, const FailoverRequest& wanted) {
        for (const auto& finding : failover->check(vm, wanted).findings) {
            if (finding.code == code) {
                return finding.text;
            }
        }
        return "";
    }
    void set_verified(const std::string& verdict) {
        database->transact([&](db::Session& session) {
            machines.set_verified(session, vm, machines::Verified{clock.now(), verdict, 100});
        });
    }

    VmContextId vm = add_replicated_machine();
};

}  // namespace mk::failover
