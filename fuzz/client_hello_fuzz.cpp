// The first bytes of any connection to the gateway's port. The parser must not read beyond them, and more bytes must
// never turn nonsense into something, nor a complete ClientHello into another one.

#include <cstdint>
#include <cstdlib>

#include "tunnel/client_hello.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using State = mk::tunnel::ClientHello::State;
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto whole = mk::tunnel::parse_client_hello(bytes);
    const auto part = mk::tunnel::parse_client_hello(bytes.first(size / 2));
    const bool is_contradiction = (part.state == State::nonsense && whole.state != State::nonsense) ||
                                  (part.state == State::complete && whole.protocols != part.protocols);
    if (is_contradiction) {
        std::abort();
    }
    return 0;
}
