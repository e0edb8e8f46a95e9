#pragma once
// A shell script in place of virt-v2v-in-place or migratekit-inspect.

#include <filesystem>
#include <string>

#include "os/file.hpp"
#include "support/temporary_folder.hpp"
#include "target/guest/tools.hpp"

namespace mk::guest::test {

/// `body` may use $report, the file of --machine-readable, and $folder, the folder of the run.
inline Tools tools_with(const mk::test::TemporaryFolder& folder, const std::string& body) {
    const auto path = folder / "scripted-tool";
    os::write_file_atomically(
        path,
        "#!/bin/sh\nfolder=$TMPDIR\n"
        "for a in \"$@\"; do case $a in --machine-readable=file:*) report=${a#*file:};; esac; done\n" +
            body + "\n",
        0700);
    Tools tools;
    tools.program = path;
    tools.inspector = path;
    tools.work_folder = folder / "work";
    tools.virtio_win = folder / "virtio-win";
    tools.virt_tools = folder / "virt-tools";
    os::make_folders(tools.work_folder);
    return tools;
}

/// Folders of runs that are still in the work folder.
inline std::size_t runs_left(const Tools& tools) {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(tools.work_folder)) {
        count += entry.is_directory() ? 1U : 0U;
    }
    return count;
}

}  // namespace mk::guest::test
