#pragma once
// Names for CloudStack (inventory AA "VM naming rule", cloudstack.md section 7.1).

#include <string>
#include <string_view>

namespace mk {

/// Lower-case a-z, 0-9, '-'; 1..63 characters; no '-' at the ends; a leading digit gets "vm-". "My_VM@2025" ->
/// "my-vm-2025". Throws Error{invalid} when nothing usable is left.
std::string cloud_machine_name(std::string_view name);
/// The same before it is cut: perhaps longer than CloudStack takes.
std::string cleaned_machine_name(std::string_view name);
/// cloud_machine_name(name) + suffix, the name cut so that all fits into 63 characters.
std::string cloud_machine_name(std::string_view name, std::string_view suffix);

}  // namespace mk
