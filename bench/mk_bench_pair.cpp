// mk_bench_pair VMA_FOLDER OMA_FOLDER GATEWAY: makes an identity in both folders and pairs them with each other, as the
// exchange of a code would. GATEWAY ("host:port") is where the VMA dials.

#include <cstdio>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "tunnel/identity.hpp"
#include "tunnel/pairing_store.hpp"

namespace {

using namespace mk;

void pair(const std::string& vma_folder, const std::string& oma_folder, const std::string& gateway) {
    const SystemClock clock;
    const tunnel::Identity vma = tunnel::open_identity(vma_folder, "vma");
    const tunnel::Identity oma = tunnel::open_identity(oma_folder, "oma");
    tunnel::Pairing theirs;
    theirs.appliance_id = "oma";
    theirs.name = "target site";
    theirs.fingerprint = oma.fingerprint;
    theirs.address = gateway;
    theirs.paired_at = clock.now();
    tunnel::PairingStore(vma_folder, clock).put(theirs);
    tunnel::Pairing ours;
    ours.appliance_id = "vma";
    ours.name = "source site";
    ours.fingerprint = vma.fingerprint;
    ours.paired_at = clock.now();
    tunnel::PairingStore(oma_folder, clock).put(ours);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: mk_bench_pair VMA_FOLDER OMA_FOLDER GATEWAY\n", stderr);
        return 2;
    }
    try {
        pair(argv[1], argv[2], argv[3]);
        return 0;
    } catch (const mk::Error& error) {
        std::fprintf(stderr, "mk_bench_pair: %s\n", error.full_text().c_str());
        return 1;
    }
}
