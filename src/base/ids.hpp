#pragma once
// Identifiers are distinct types, so that arguments cannot be swapped. An id is opaque text; an empty id means "none".

#include <compare>
#include <functional>
#include <string>

namespace mk {

template <class Tag>
struct Id {
    std::string value;

    bool empty() const { return value.empty(); }
    explicit operator bool() const { return !value.empty(); }
    auto operator<=>(const Id&) const = default;
};

/// RFC 9562 UUIDv7: sortable by creation time. Thread-safe.
std::string new_uuid();

}  // namespace mk

template <class Tag>
struct std::hash<mk::Id<Tag>> {
    size_t operator()(const mk::Id<Tag>& id) const noexcept { return std::hash<std::string>{}(id.value); }
};
