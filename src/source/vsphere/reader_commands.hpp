#pragma once
// The nbdkit command lines of the readers (vsphere.md section 6). Pure; no secret ever enters an argument.

#include <string>
#include <vector>

#include "source/vsphere/address.hpp"
#include "source/vsphere/moref.hpp"

namespace mk::vsphere {

/// "[datastore] folder/name.vmdk" taken apart.
struct DatastorePath {
    std::string datastore;
    std::string path;
};

/// Throws Error{corrupt} when it has another form.
DatastorePath parse_datastore_path(const std::string& file_name);

/// https://<server>/folder/<dir>/<disk>-flat.vmdk?dcPath=..&dsName=.. with every part percent-encoded. `datacenter` is
/// empty on an ESXi host. Throws Error{conflict, "DeltaBase"} for x-00000N.vmdk: such a link has no flat file of its
/// own, and the base file below it holds older data.
std::string folder_url(const std::string& base_url, const std::string& datacenter, const std::string& file_name);

/// Where a reader puts its files; all in a folder that only we can enter.
struct ReaderFiles {
    std::string socket;
    std::string pid_file;
};

struct FolderReaderArguments {
    ReaderFiles files;
    std::string url;
    std::string cookie_file;   ///< 0600, rewritten at each login
    std::string ca_file;       ///< empty = the system's authorities
    std::string ca_folder;     ///< an empty folder when exactly one certificate is trusted
    std::string relay_socket;  ///< empty = connect directly
};

std::vector<std::string> folder_reader_command(const FolderReaderArguments& arguments);

struct VddkReaderArguments {
    ReaderFiles files;
    std::string library_folder;
    Address server;
    std::string user;
    std::string password_file;  ///< 0600
    std::string thumbprint;     ///< SHA-1, "AB:CD:.."
    std::string config_file;    ///< vddk_tuning()
    Moref vm;
    Moref snapshot;
    std::string file_name;
};

/// Tested without the library, which is proprietary and not part of the build.
std::vector<std::string> vddk_reader_command(const VddkReaderArguments& arguments);

/// The content of VDDK's configuration file.
std::string vddk_tuning();

}  // namespace mk::vsphere
