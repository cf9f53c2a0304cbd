// The multi-tau delay scheme of XPCS-Eigen, and where on the frame axis its averages begin and end.
#pragma once
#include <cstdint>
#include <vector>

namespace xpcs {

struct Delay {
  std::uint32_t level;  ///< frames are averaged in blocks of 2^level
  std::uint64_t frames;  ///< t, in frames of level 0
  std::uint64_t lag;     ///< t / 2^level, in blocks
  std::uint64_t terms;   ///< N = floor(F / 2^level) - lag
  /// IP sums the frames [0, pastEnd), IF the frames [frames, futureEnd).
  std::uint64_t pastEnd;
  std::uint64_t futureEnd;
};

/// Delays of a series of `frames` frames: 2*dpl at level 0, dpl at every further level.
/// Levels: 0 if F < 2 dpl, else trunc(floor(log2 F - log2(1 + 1/dpl)) - log2 dpl); a level ends where t + 2*2^L > F.
/// @source XPCS-Eigen's scheme as specified in docs/multitau.md
std::vector<Delay> multitau_delays(std::uint64_t frames, std::uint32_t dpl);

}  // namespace xpcs
