#pragma once
// What the VMA is asked to do in a pass, made of the machine, its write sessions and the recovery point that it builds
// on.

#include <stop_token>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "control/machines/machine.hpp"
#include "control/replication/collaborators.hpp"

namespace mk::replication {

/// A disk of the machine and where its bytes go.
struct PassTarget {
    contracts::Volume volume;
    contracts::WriteSession session;
};

/// `base` may be null: then nothing is known of the copy. Attempt and the kind of comparison are the caller's.
contracts::PassRequest make_pass_request(const Collaborators& use, const JobId& job, const machines::Machine& machine,
                                         const std::vector<PassTarget>& targets, const RecoveryPoint* base);

/// Before another attempt: opens the sessions once more, which cuts the connections that the ended attempt may still
/// have, and tells what it has written through them. Throws Error{conflict} when one is not open any more.
void refresh_sessions(const Collaborators& use, const JobId& job, std::vector<PassTarget>& targets,
                      const std::stop_token& stop);

/// For those who need a comparison where SourceSite::can_compare() is false.
Error cannot_compare(const std::string& vm_name);

}  // namespace mk::replication
