#pragma once
// SIGTERM and SIGINT as a blocking wait in main.

namespace mk::os {

/// Call before the first thread starts: blocks SIGTERM, SIGINT, and ignores SIGPIPE.
void block_termination_signals();
/// Returns the signal that asked us to end.
int wait_for_termination();
/// systemd readiness (sd_notify protocol on $NOTIFY_SOCKET); nothing without it.
void notify_ready();

}  // namespace mk::os
