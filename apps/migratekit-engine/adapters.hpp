#pragma once
// The engine's ports on the real world: vSphere behind Source, NBD exports behind Target.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "contracts/vma_api.hpp"
#include "engine/ports.hpp"
#include "source/vsphere/vsphere.hpp"

namespace mk {

struct SourceOptions {
    std::string appliance_id;
    vsphere::ReaderOptions readers{};
    std::function<void(const std::string& moref, const std::string& name)> on_snapshot;
};

/// Connects at freeze(). `request` must outlive it.
class VsphereSource : public engine::Source {
  public:
    VsphereSource(const contracts::PassRequest& request, SourceOptions options);
    std::unique_ptr<engine::FrozenMachine> freeze(const std::function<void(std::string_view)>& on_stage,
                                                  const std::stop_token& stop) override;

  private:
    const contracts::PassRequest& request_;
    SourceOptions options_;
};

class NbdTarget : public engine::Target {
  public:
    explicit NbdTarget(const contracts::PassRequest& request);
    std::unique_ptr<block::BlockSink> open(const DiskId& disk, const std::stop_token& stop) override;

  private:
    std::map<DiskId, std::string> uris_;
};

}  // namespace mk
