// What a frame is divided by, for every smoothing: from the sums of each normalising bin to the factors that scale a product of
// two frames. docs/twotime.md has the definitions and their sources.
#pragma once
#include <string>
#include <vector>

#include "xpcs/two_time.hpp"

namespace xpcs::twotime {

/// A run of selected ranks that is normalised as one: a dynamic bin, or a static bin within it.
struct Group {
  std::uint32_t first, end;  ///< ranks
  std::uint32_t bin;         ///< index into the selection
  std::uint32_t staticBin;   ///< 1-based label; 0 for a whole dynamic bin
};

struct Bin {
  std::uint32_t label;              ///< dynamic label, 1-based
  std::uint32_t first, end;         ///< ranks
  std::uint32_t firstGroup, endGroup;
  [[nodiscard]] std::uint32_t pixels() const noexcept { return end - first; }
};

/// C2(t1,t2) = outer[t1] outer[t2] * sum over groups g of inner_g[t1] inner_g[t2] * sum over pixels of x[t1] x[t2].
struct Scales {
  std::vector<double> sg;     ///< [G, F or 1] the normaliser, counts per pixel and frame
  std::uint64_t sgFrames = 0;  ///< F, or 1
  std::vector<double> inner;  ///< [G, F]
  std::vector<double> outer;  ///< [B, F]
  std::vector<std::string> warnings;
};

/// @param sums [G, F] photons of each group in each frame, before weights
/// @param weights [F] divisor's inverse of frame-sum normalisation; empty: none
Scales make_scales(const TwoTimeOptions& options, const std::vector<Group>& groups, const std::vector<Bin>& bins, const std::vector<double>& sums,
                   std::uint64_t frames, const std::vector<double>& weights);

}  // namespace xpcs::twotime
