// The instruction sets that the kernels are written for. Every kernel has its own table of functions by these names; which one runs is
// decided here, at run time.
#pragma once
#include <array>

namespace xpcs {

/// Fastest first; every kernel has the last.
inline constexpr std::array kInstructionSets{"avx512", "avx2", "neon-dotprod", "neon", "portable"};

/// What `named` gives for the fastest set that this CPU, this build and this kernel have. @param named null for a set that is not there
template <class Named>
auto fastest(Named named) {
  for (const char* name : kInstructionSets) {
    if (const auto found = named(name)) return found;
  }
  return named(kInstructionSets.back());
}

}  // namespace xpcs
