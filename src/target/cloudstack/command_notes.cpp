#include "target/cloudstack/command_notes.hpp"

#include "base/log.hpp"

namespace mk::cloudstack {
namespace {

/// What a command is about: an id, or the name of what it makes. Nothing else of its parameters is noted.
std::string object_of(const Parameters& parameters) {
    for (const char* wanted : {"id", "volumeid", "resourceids", "name", "virtualmachineid"}) {
        for (const auto& [name, value] : parameters) {
            if (name == wanted) {
                return value;
            }
        }
    }
    return {};
}

}  // namespace

std::string CommandNotes::begin(const std::string& command, const Parameters& parameters) const {
    return journal_ == nullptr ? std::string() : journal_->begin(command, object_of(parameters));
}

template <class Write>
void CommandNotes::keep(const std::string& note, const Write& write) const {
    if (journal_ == nullptr || note.empty()) {
        return;
    }
    try {
        write();
    } catch (const Error& error) {
        log::error("note={} of a CloudStack command could not be kept: {}", note, error.full_text());
    }
}

void CommandNotes::submitted(const JobHandle& job) const {
    keep(job.note, [&] { journal_->submitted(job.note, job.job_id, job.object_id); });
}

void CommandNotes::ended(const std::string& note, const char* outcome) const {
    keep(note, [&] { journal_->ended(note, outcome); });
}

void CommandNotes::not_taken(const std::string& note, const Error& error) const {
    const bool is_known = !is_outcome_unknown(error) && error.code() != ErrorCode::cancelled;
    ended(note, is_known ? "refused" : "unknown");
}

}  // namespace mk::cloudstack
