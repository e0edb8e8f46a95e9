#pragma once
// The engine's source on the real world: vSphere.

#include <functional>
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

}  // namespace mk
