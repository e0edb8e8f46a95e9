#pragma once
// What is said on a reverse connection (mk-control/1) before it is used. One byte each:
//
//   VMA -> gateway   'p'  still there?            every 15 s while idle
//   gateway -> VMA   'p'  yes                     the VMA takes the time: that is the round trip
//   gateway -> VMA   'u'  now you are used
//   VMA -> gateway   'r'  ready: vma-api is connected, from now on bytes both ways
//                    'n'  vma-api cannot be connected; the connection ends
//
// A 'p' of the VMA that crosses a 'u' is not answered.

#include <chrono>
#include <cstddef>

namespace mk::tunnel::control {

inline constexpr std::byte ping{'p'};
inline constexpr std::byte use{'u'};
inline constexpr std::byte ready{'r'};
inline constexpr std::byte not_ready{'n'};

inline constexpr std::chrono::seconds ping_interval{15};
/// For the answer to 'p', and from 'u' to 'r'.
inline constexpr std::chrono::seconds answer_limit{8};
/// An idle connection on which nothing was heard for so long is dead.
inline constexpr std::chrono::seconds silence_limit{40};
/// Of a used connection without a byte. The longest request to vma-api is a discovery with its 300 s.
inline constexpr std::chrono::minutes idle_limit{15};

}  // namespace mk::tunnel::control
