#include "cli/exit_code.hpp"

namespace mk::cli {

ExitCode exit_code_of(const Error& error) {
    if (error.native() == unreachable_mark) {
        return ExitCode::unreachable;
    }
    switch (error.code()) {
        case ErrorCode::invalid:
            return ExitCode::usage;
        case ErrorCode::not_found:
            return ExitCode::not_found;
        case ErrorCode::unauthenticated:
        case ErrorCode::forbidden:
            return ExitCode::not_allowed;
        case ErrorCode::conflict:
            return ExitCode::refused;
        case ErrorCode::cancelled:
            return ExitCode::interrupted;
        case ErrorCode::unavailable:
        case ErrorCode::timeout:
        case ErrorCode::exhausted:
        case ErrorCode::corrupt:
        case ErrorCode::external:
        case ErrorCode::internal:
            return ExitCode::failed;
    }
    return ExitCode::failed;
}

ExitCode exit_code_of_job(std::string_view status) {
    if (status == "completed") {
        return ExitCode::done;
    }
    return status == "warning" ? ExitCode::job_warning : ExitCode::job_failed;
}

ExitCode worse(ExitCode a, ExitCode b) {
    const bool a_is_mild = a == ExitCode::done || (a == ExitCode::job_warning && b != ExitCode::done);
    return a_is_mild ? b : a;
}

}  // namespace mk::cli
