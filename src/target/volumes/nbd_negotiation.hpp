#pragma once
// The first phase of a connection: fixed newstyle negotiation until the client has chosen an export. Internal to the
// NBD server; runs on the connection's thread.

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "os/byte_stream.hpp"
#include "target/volumes/export_registry.hpp"

namespace mk::volumes {

/// What client and server agreed on.
struct NbdAgreement {
    ExportRegistry::Lease lease;
    bool has_structured_replies = false;
    bool has_allocation = false;  ///< the client may ask for base:allocation
};

class NbdNegotiation {
  public:
    /// `on_chosen` is called before the client hears that it has its export.
    NbdNegotiation(os::ByteStream& stream, ExportRegistry& exports, std::function<void()> on_chosen)
        : stream_(stream), exports_(exports), on_chosen_(std::move(on_chosen)) {}
    /// Nothing when the client left, or said what nobody says. Throws Error as the stream.
    std::optional<NbdAgreement> run();

  private:
    /// What INFO and GO ask.
    struct Wish {
        std::string name;
        std::set<std::uint16_t> infos;
    };
    enum class Next { option, transmission, end };

    bool exchange_hello();
    Next answer_option();
    Next answer(std::uint32_t option, const std::string& data);
    Next answer_export_name(const std::string& name);
    Next answer_info(std::uint32_t option, const std::string& data);
    void answer_structured(const std::string& data);
    void answer_contexts(std::uint32_t option, const std::string& data);
    void tell_export(std::uint32_t option, const Wish& wish, ExportBackend& backend);
    void reply(std::uint32_t option, std::uint32_t type, const std::string& payload = {});
    std::optional<ExportRegistry::Lease> take(const std::string& name);
    std::string read_text(std::size_t length);
    void write(const std::string& text);

    os::ByteStream& stream_;
    ExportRegistry& exports_;
    const std::function<void()> on_chosen_;
    bool omits_zeroes_ = false;
    bool has_structured_replies_ = false;
    std::optional<std::string> allocation_of_;  ///< the export for which base:allocation was asked
    std::optional<NbdAgreement> agreement_;
};

}  // namespace mk::volumes
