#include "source/vsphere/reader_commands.hpp"

#include "base/error.hpp"
#include "http/client.hpp"
#include "source/vsphere/hardware.hpp"

namespace mk::vsphere {
namespace {

constexpr std::string_view vmdk = ".vmdk";

/// As one word for the shell that runs cookie-script.
std::string shell_quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) {
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return quoted + "'";
}

std::string encode_path(std::string_view path) {
    std::string encoded;
    while (true) {
        const auto slash = path.find('/');
        encoded += http::url_encode(path.substr(0, slash));
        if (slash == std::string_view::npos) {
            return encoded;
        }
        encoded += '/';
        path.remove_prefix(slash + 1);
    }
}

std::vector<std::string> common_start(const ReaderFiles& files) {
    return {"nbdkit", "--readonly", "--foreground", "--exit-with-parent",
            "--unix", files.socket, "--pidfile",    files.pid_file};
}

void append(std::vector<std::string>& command, std::vector<std::string> more) {
    command.insert(command.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

DatastorePath parse_datastore_path(const std::string& file_name) {
    const auto end = file_name.find("] ");
    if (!file_name.starts_with('[') || end == std::string::npos || end + 2 >= file_name.size()) {
        throw Error(ErrorCode::corrupt, "vCenter names the disk file '" + file_name + "', which is no datastore path");
    }
    return {file_name.substr(1, end - 1), file_name.substr(end + 2)};
}

std::string folder_url(const std::string& base_url, const std::string& datacenter, const std::string& file_name) {
    auto [datastore, path] = parse_datastore_path(file_name);
    DiskDevice disk;
    disk.file_name = file_name;
    if (disk.has_delta_name()) {
        throw Error(ErrorCode::conflict,
                    "the disk file " + file_name + " is a link of a snapshot chain and cannot be read over HTTPS",
                    {.consequence = "Nothing was read; the base file below it holds older data.",
                     .remedy = "Delete the other snapshots of the machine, or install VDDK on the appliance.",
                     .retry_safe = true})
            .with_native("DeltaBase");
    }
    if (!path.ends_with(vmdk)) {
        throw Error(ErrorCode::corrupt, "the disk file " + file_name + " is not a .vmdk file");
    }
    path.insert(path.size() - vmdk.size(), "-flat");
    std::string url = base_url + "/folder/" + encode_path(path) + "?";
    if (!datacenter.empty()) {
        url += "dcPath=" + http::url_encode(datacenter) + "&";
    }
    return url + "dsName=" + http::url_encode(datastore);
}

std::vector<std::string> folder_reader_command(const FolderReaderArguments& arguments) {
    auto command = common_start(arguments.files);
    append(command,
           {
               // The plugin answers the requests of a connection one after the other; parallel are connections only.
               "--filter=retry",
               "curl",
               "url=" + arguments.url,
               "cookie-script=cat " + shell_quoted(arguments.cookie_file),
               // Seconds. A login elsewhere rewrites the file; a reader that is refused meanwhile is restarted by us.
               "cookie-script-renew=60",
               "sslverify=true",
               "protocols=https",
               "followlocation=false",
               // Seconds for one request of at most 2 MiB; beyond that the connection is dead.
               "timeout=120",
               // The filter bridges a dropped connection; longer trouble is ours, with the session looked after.
               "retries=1",
               "retry-delay=1",
           });
    if (!arguments.ca_file.empty()) {
        command.push_back("cainfo=" + arguments.ca_file);
    }
    if (!arguments.ca_folder.empty()) {
        command.push_back("capath=" + arguments.ca_folder);
    }
    if (!arguments.relay_socket.empty()) {
        command.push_back("unix-socket-path=" + arguments.relay_socket);
    }
    return command;
}

std::vector<std::string> vddk_reader_command(const VddkReaderArguments& arguments) {
    auto command = common_start(arguments.files);
    append(command, {
                        // The plugin and these filters work on several requests of one connection at once, which is
                        // where its speed comes from. The retry filter would make it one after the other; trying
                        // again is our own business.
                        "--threads=16",
                        // Outermost first: requests are cut to what vCenter relays before they reach the library.
                        "--filter=blocksize",
                        "--filter=cacheextents",
                        // The data path is too talkative for a log.
                        "-D",
                        "vddk.datapath=0",
                        "-D",
                        "nbdkit.backend.datapath=0",
                        "vddk",
                        "libdir=" + arguments.library_folder,
                        "server=" + arguments.server.host,
                        "port=" + std::to_string(arguments.server.port),
                        "user=" + arguments.user,
                        "password=+" + arguments.password_file,
                        "thumbprint=" + arguments.thumbprint,
                        "vm=moref=" + arguments.vm.id,
                        "snapshot=" + arguments.snapshot.id,
                        "compression=skipz",
                        "transports=nbdssl:nbd",
                        "config=" + arguments.config_file,
                        "file=" + arguments.file_name,
                        "maxdata=2M",
                        "minblock=512",
                    });
    return command;
}

std::string vddk_tuning() {
    return "vixDiskLib.nfcAio.Session.BufSizeIn64KB=16\n"
           "vixDiskLib.nfcAio.Session.BufCount=4\n"
           "vixDiskLib.nfc.AcceptTimeoutMs=180000\n"
           "vixDiskLib.nfc.RequestTimeoutMs=180000\n"
           "vixDiskLib.nfc.ReadTimeoutMs=60000\n";
}

}  // namespace mk::vsphere
