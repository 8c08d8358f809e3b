// The version of the daemon, as CMake has it.
#pragma once

namespace walden {

inline constexpr char kVersion[] = WALDEN_VERSION;

}  // namespace walden
