#include "target/volumes/worker_team.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace mk::volumes {
namespace {

struct Team {
    const std::size_t count;
    const std::function<PartWork()>& make_work;
    std::atomic<std::size_t> next{0};
    std::mutex failure_mutex{};
    std::exception_ptr failure{};

    void work() {
        try {
            const auto part_work = make_work();
            for (auto part = next++; part < count; part = next++) {
                part_work(part);
            }
        } catch (...) {  // thrown again by do_parts()
            next = count;
            const std::lock_guard lock(failure_mutex);
            failure = failure ? failure : std::current_exception();
        }
    }
};

}  // namespace

void do_parts(std::size_t count, unsigned workers, const std::function<PartWork()>& make_work) {
    if (count == 0) {
        return;
    }
    Team team{.count = count, .make_work = make_work};
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 1; i < std::min<std::size_t>(workers, count); ++i) {
            threads.emplace_back([&team] { team.work(); });
        }
        team.work();
    }
    if (team.failure) {
        std::rethrow_exception(team.failure);
    }
}

}  // namespace mk::volumes
