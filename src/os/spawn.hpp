#pragma once
// Starting a program with posix_spawn: the part of process.cpp that talks to the C library. Internal to os/.

#include <sys/types.h>

#include "os/file.hpp"
#include "os/process.hpp"

namespace mk::os {

struct Spawned {
    pid_t pid = -1;
    Descriptor pidfd;
    Descriptor out;  ///< reading end of its stdout, not blocking
    Descriptor err;  ///< reading end of its stderr, not blocking
    Descriptor in;  ///< the other end of its stdin, a socket, when it is kept open; `Command::input` is not yet written
};

/// Own process group, default signals, only descriptors 0, 1, 2. Throws Error when it cannot be started.
Spawned spawn(const Command& command);

}  // namespace mk::os
