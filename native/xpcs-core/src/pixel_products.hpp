// The sums of products of one pixel of integers at every delay, by whichever way costs least.
#pragma once
#include <span>

#include "pixel_kernel.hpp"
#include "series_kernel.hpp"

namespace xpcs {

/// Photons up to which a pixel is correlated pair by pair, and blocks per entry below which a level is contiguous.
constexpr std::size_t kPairsMax = 12;
constexpr std::size_t kBlocksPerEntry = 40;
/// Largest sum of magnitudes of a pixel whose sums of products 64 bits hold (|sum of products| <= magnitude^2), and of one that
/// the contiguous series takes.
constexpr double kNarrowMagnitude = 3.0e9;
constexpr double kSeriesMagnitude = 2.0e9;

/// @param t frames, ascending, distinct; v values; changes both. magnitude: sum of |v|, below kNarrowMagnitude. acc [D]
template <class Value>
void add_products(const Scheme& scheme, std::span<std::uint32_t> t, std::span<Value> v, double magnitude, SeriesKernel& series, std::int64_t* acc) {
  if (t.size() <= kPairsMax) return add_pairs<Value, std::int64_t>(scheme, t, v, acc);
  if (magnitude >= kSeriesMagnitude) {
    add_levels<Value, std::int64_t>(scheme, t, v, acc);
    return;
  }
  const auto [level, left] = add_levels<Value, std::int64_t>(scheme, t, v, acc, kBlocksPerEntry);
  if (level < scheme.levels) series.add<Value>(scheme, level, t.first(left), v.first(left), acc);
}

}  // namespace xpcs
