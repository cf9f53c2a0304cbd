// The correlation of one pixel: from its sorted photons to the sums of products at every delay. Three ways to the same
// integers: few photons are paired directly; more are walked level by level while blocks are mostly empty, and as a
// contiguous series (series_kernel.hpp) once they are not.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "scheme.hpp"

namespace xpcs {

/// visit(delay) for every delay of the levels below `levels` that two photons of frames ta < tb make a pair of: those where their
/// blocks lie dpl+1 to 2 dpl apart (1 to 2 dpl at level 0).
template <class Visit>
void for_each_delay(const Scheme& scheme, std::uint64_t ta, std::uint64_t tb, std::uint32_t levels, Visit visit) {
  const std::uint64_t lagMax = scheme.lag_max();
  const std::uint64_t d = tb - ta;
  const int first = static_cast<int>(std::bit_width(d)) - static_cast<int>(std::bit_width(lagMax));
  for (auto level = static_cast<std::uint32_t>(std::max(first, 0)); level < levels; ++level) {
    if (level > 0 && (d >> level) + 1 <= scheme.dpl) break;
    const std::uint64_t k = (tb >> level) - (ta >> level);
    if (k > lagMax || k < (level == 0 ? 1 : scheme.dpl + 1) || tb >= scheme.levelEnd[level]) continue;
    const std::size_t at = scheme.index(level, k);
    if (at < scheme.delays.size()) visit(at);
  }
}

/// Adds every product of two photons to the delays they belong to. Cost: pairs within reach.
/// @param t frames, ascending, distinct; v values; acc [D]
template <class Value, class Acc>
void add_pairs(const Scheme& scheme, std::span<const std::uint32_t> t, std::span<const Value> v, Acc* acc) {
  for (std::size_t b = 1; b < t.size(); ++b) {
    for (std::size_t a = b; a-- > 0;) {
      if (t[b] - t[a] > scheme.reach) break;
      for_each_delay(scheme, t[a], t[b], scheme.levels, [&](std::size_t at) { acc[at] += static_cast<Acc>(v[a]) * static_cast<Acc>(v[b]); });
    }
  }
}

/// Adds entries of one block of the next level. Returns how many entries are left.
template <class Value>
std::size_t merge_halves(std::span<std::uint32_t> t, std::span<Value> v) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < t.size(); ++i) {
    const std::uint32_t half = t[i] >> 1;
    if (kept > 0 && t[kept - 1] == half) {
      v[kept - 1] += v[i];
    } else {
      t[kept] = half;
      v[kept] = v[i];
      ++kept;
    }
  }
  return kept;
}

/// Walks the levels from 0: every entry meets its neighbours within the lag window, then entries of one block are merged.
/// Stops before the first level that has at most `blocksPerEntry` blocks per entry (0: never).
/// Changes t and v. @returns the level that is next, with the entries that are left
template <class Value, class Acc>
std::pair<std::uint32_t, std::size_t> add_levels(const Scheme& scheme, std::span<std::uint32_t> t, std::span<Value> v, Acc* acc,
                                                 std::size_t blocksPerEntry = 0) {
  const auto lagMax = static_cast<std::uint32_t>(scheme.lag_max());
  const std::size_t count = scheme.delays.size();
  std::size_t n = t.size();
  std::uint32_t level = 0;
  for (; level < scheme.levels; ++level) {
    const auto blocks = static_cast<std::uint32_t>(scheme.blocks(level));
    while (n > 0 && t[n - 1] >= blocks) --n;  // an odd last block has no partner at this level
    if (blocks <= n * blocksPerEntry) break;
    const std::uint32_t lagMin = level == 0 ? 1 : scheme.dpl + 1;
    for (std::size_t b = 1; b < n; ++b) {
      for (std::size_t a = b; a-- > 0;) {
        const std::uint32_t k = t[b] - t[a];
        if (k > lagMax) break;
        if (k < lagMin) continue;
        const std::size_t at = scheme.index(level, k);
        if (at < count) acc[at] += static_cast<Acc>(v[a]) * static_cast<Acc>(v[b]);
      }
    }
    n = merge_halves(t.first(n), v.first(n));
  }
  return {level, n};
}

}  // namespace xpcs
