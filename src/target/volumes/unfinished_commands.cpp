#include "target/volumes/unfinished_commands.hpp"

#include <algorithm>
#include <iterator>

#include "base/log.hpp"

namespace mk::volumes {

std::vector<UnfinishedCommand> UnfinishedCommands::about(const std::vector<std::string>& objects) const {
    const auto is_meant = [&](const UnfinishedCommand& command) {
        return std::any_of(objects.begin(), objects.end(), [&](const std::string& object) {
            return !object.empty() && (command.object == object || command.object_id == object);
        });
    };
    std::vector<UnfinishedCommand> found;
    const std::lock_guard lock(commands_mutex_);
    std::copy_if(commands_.begin(), commands_.end(), std::back_inserter(found), is_meant);
    return found;
}

void UnfinishedCommands::settle(const cloudstack::Client& client, const std::vector<std::string>& objects,
                                const Progress& progress) {
    for (const auto& command : about(objects)) {
        settle_one(client, command, progress);
        forget(command.note);
    }
}

void UnfinishedCommands::settle_one(const cloudstack::Client& client, const UnfinishedCommand& command,
                                    const Progress& progress) const {
    if (command.async_job_id.empty()) {
        // Whether it was taken is not known. A job of it is seen at the object, which every command looks at first.
        log::warn("command={} object={} of a former run has no answer, the object's state decides", command.command,
                  command.object);
        note_unknown(command);
        return;
    }
    progress.say("Waiting for an earlier " + command.command + " to end");
    const auto end =
        client.settle({.job_id = command.async_job_id, .object_id = {}, .note = command.note}, limit_, progress.stop());
    if (end == cloudstack::JobEnd::still_running) {
        throw Error(ErrorCode::timeout,
                    "an earlier " + command.command + " (job " + command.async_job_id + ") is still under way",
                    {.consequence = "Nothing was changed.",
                     .remedy = "Repeat when CloudStack has ended it.",
                     .retry_safe = true})
            .with_native(std::string(cloudstack::job_still_running));
    }
    log::info("command={} object={} of a former run is over", command.command, command.object);
}

void UnfinishedCommands::note_unknown(const UnfinishedCommand& command) const {
    if (journal_ == nullptr) {
        return;
    }
    try {
        journal_->ended(command.note, "unknown");
    } catch (const Error& error) {
        log::error("note={} of a CloudStack command could not be kept: {}", command.note, error.full_text());
    }
}

void UnfinishedCommands::forget(const std::string& note) {
    const std::lock_guard lock(commands_mutex_);
    std::erase_if(commands_, [&](const UnfinishedCommand& command) { return command.note == note; });
}

}  // namespace mk::volumes
