#pragma once
// While it lives this process gets no new descriptor (EMFILE). Those that are open stay usable.

#include <stdexcept>

#include <sys/resource.h>

namespace mk::test {

class NoDescriptors {
  public:
    NoDescriptors() {
        if (::getrlimit(RLIMIT_NOFILE, &before_) != 0) {
            throw std::runtime_error("cannot read the limit of descriptors");
        }
        set(0);
    }
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

  private:
    void set(rlim_t soft) const {
        const rlimit limit{soft, before_.rlim_max};
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            throw std::runtime_error("cannot set the limit of descriptors");
        }
    }

    rlimit before_{};
};

}  // namespace mk::test
