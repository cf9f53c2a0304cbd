// Where pairing photon by photon ends and correlating whole series begins, for a tile of pixels with so many photons.
#pragma once
#include <algorithm>
#include <cstdint>

#include "scheme.hpp"

namespace xpcs {

// Costs in cycles, measured roughly: they only decide which of two ways to the same integers is taken.
inline constexpr double kPairCost = 60;
inline constexpr double kLatestCost = 3;
inline constexpr double kBlockLagCost = 0.015;
inline constexpr double kBlockCost = 0.2;
/// Partners within reach of a photon, on average, above which pairing is left to the series.
inline constexpr double kPartnersMax = 0.5;

/// The level from which the blocks of a tile are correlated as series; the pairs of the levels below are counted photon by photon.
/// @param photons per pixel, in the whole series @returns 0 to scheme.levels (no series at all)
inline std::uint32_t series_base(const Scheme& scheme, double photons) {
  const auto frames = static_cast<double>(scheme.frames);
  std::uint32_t best = 0;
  double least = 0;
  for (std::uint32_t base = 0; base <= scheme.levels; ++base) {
    const double reach = base == 0 ? 0 : static_cast<double>((std::uint64_t{2} * scheme.dpl + 1) << (base - 1));
    const double partners = photons * std::min(reach / frames, 1.0);
    if (base > 0 && partners > kPartnersMax) break;
    double cost = base == 0 ? 0 : photons * (kLatestCost + kPairCost * partners);
    for (std::uint32_t level = base; level < scheme.levels; ++level) {
      cost += static_cast<double>(scheme.blocks(level)) * (static_cast<double>(scheme.delays_at(level)) * kBlockLagCost + kBlockCost);
    }
    if (base == 0 || cost < least) {
      best = base;
      least = cost;
    }
  }
  return best;
}

}  // namespace xpcs
