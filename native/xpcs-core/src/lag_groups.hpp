// Random groups of the pixels of each static bin, and the covariance of g2 between lags over them. Pixels are few beside the pairs of lags, so
// what is kept of them is the sums over groups; the scatter of the groups is that of the pixels (docs/fits.md).
#pragma once
#include <cstdint>
#include <vector>

#include "event_store.hpp"
#include "xpcs/moments.hpp"
#include "xpcs/partition.hpp"

namespace xpcs {

/// Most groups of a static bin.
constexpr std::uint32_t kGroupsMax = 128;

/// The pixels of a static bin in a tile of kTilePixels ranks go in turn to `perTile` of its groups, those of tile t to the ones from
/// perTile (t mod (groups / perTile)) on: every group lies over the whole bin, and a tile has few. Both are powers of 2.
struct GroupPlan {
  explicit GroupPlan(const Partition& part);

  std::vector<std::uint32_t> groups;   ///< [S] no more than the bin's pixels; 0 for a gap
  std::vector<std::uint32_t> perTile;  ///< [S] 1 to groups
  std::vector<std::size_t> begin;      ///< [S + 1] first group of each bin among all groups
  std::vector<double> size;            ///< [all groups] pixels

  /// First group of the static bin's pixels in the tile of this rank.
  [[nodiscard]] std::size_t first(std::uint32_t staticBin, std::uint32_t rank) const {
    return std::size_t{perTile[staticBin]} * (rank / kTilePixels % (groups[staticBin] / perTile[staticBin]));
  }
};

/// Sets the covariance of one series, where `moments` has the sums of its bins.
/// @param sums of each static bin [D, 3, groups]: products, past and future counts of each group
void set_lag_covariance(Moments& moments, const GroupPlan& plan, const std::vector<double>& sums, Averaging averaging);

}  // namespace xpcs
