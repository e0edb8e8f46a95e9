#include "os/line_splitter.hpp"

#include <utility>

namespace mk::os {

void LineSplitter::add(std::string_view bytes, const Callback& on_line) {
    for (const char letter : bytes) {
        const bool closes_pair = letter == '\n' && std::exchange(after_return_, false);
        after_return_ = letter == '\r';
        if (closes_pair) {
            continue;  // "\r\n" is one line end
        }
        if (letter == '\n' || letter == '\r') {
            deliver(on_line);
            continue;
        }
        line_ += letter;
        if (line_.size() >= longest_line_) {
            deliver(on_line);
        }
    }
}

void LineSplitter::finish(const Callback& on_line) {
    if (!line_.empty()) {
        deliver(on_line);
    }
}

void LineSplitter::deliver(const Callback& on_line) {
    const std::string line = std::exchange(line_, {});
    if (on_line) {
        on_line(line);
    }
}

}  // namespace mk::os
