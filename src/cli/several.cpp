#include "cli/several.hpp"

namespace mk::cli {

ExitCode for_each_item(Session& session, const std::vector<std::string>& items,
                       const std::function<void(const std::string&)>& work) {
    auto code = ExitCode::done;
    for (const auto& item : items) {
        try {
            work(item);
        } catch (const Error& error) {
            const auto own = exit_code_of(error);
            if (items.size() == 1 || own == ExitCode::interrupted || own == ExitCode::unreachable) {
                throw;
            }
            session.write_message(render_error(error.within(item), session.is_json(), session.terminal().has_color));
            code = worse(code, own);
        }
    }
    return code;
}

}  // namespace mk::cli
