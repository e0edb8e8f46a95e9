#pragma once
// Our own names for volumes that are attached to this appliance: links "vol-<context>-<disk>" (replicas) and
// "clone-<context>-<disk>-<volume>" (clones, of which a disk may have several) in a folder of ours, made and removed
// with the attachment. Thread-safe.

#include <string>

#include "model/ids.hpp"

namespace mk::volumes {

class PersistentNames {
  public:
    explicit PersistentNames(std::string folder);

    static std::string name_of(const VmContextId& vm_context_id, const DiskId& disk_id);
    static std::string name_of_clone(const VmContextId& vm_context_id, const DiskId& disk_id, const VolumeId& clone);
    std::string path_of(const std::string& name) const { return folder_ + "/" + name; }
    /// Points the name to `target`, replacing what it pointed to in one step.
    std::string point(const std::string& name, const std::string& target) const;
    void remove(const std::string& name) const;

  private:
    std::string folder_;
};

}  // namespace mk::volumes
