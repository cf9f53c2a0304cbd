// Which pixel belongs to which dynamic (q) and static bin, and in which order the correlator keeps the pixels.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace xpcs {

/// What to do with a static bin whose pixels lie in several dynamic bins.
enum class SplitBins {
  error,          ///< refuse, naming the bin
  drop_minority,  ///< XPCS-Eigen: the bin goes where most of its pixels are (tie: smallest q), the others leave the correlation
};

struct Partition {
  std::uint32_t height = 0;
  std::uint32_t width = 0;
  std::uint32_t dynamicBins = 0;  ///< Q: labels 1..Q, every one has a valid pixel
  std::uint32_t staticBins = 0;   ///< S: largest label; labels may have gaps

  /// Valid pixels ordered by (dynamic bin, static bin, pixel): rank -> pixel. A bin is a run of ranks, and a rank's
  /// order never depends on threads or blocks, so neither do sums over ranks.
  std::vector<std::uint32_t> pixelOfRank;
  std::vector<std::uint32_t> dynamicOfRank;  ///< 0-based
  std::vector<std::uint32_t> staticOfRank;   ///< 0-based
  std::vector<std::uint8_t> correlated;      ///< 0: static outputs only (a dropped minority pixel)
  std::vector<std::uint32_t> rankOfPixel;    ///< kMasked where the pixel does not count

  std::vector<std::uint32_t> validPixels;       ///< [S] valid pixels of each static bin
  std::vector<std::uint32_t> correlatedPixels;  ///< [S] those of them that are correlated
  std::vector<std::uint32_t> pixelsOfDynamic;   ///< [Q] correlated pixels of each dynamic bin
  std::vector<std::uint32_t> dynamicOfStatic;   ///< [S] 0-based owner; kMasked for a gap

  static constexpr std::uint32_t kMasked = 0xFFFFFFFF;
  [[nodiscard]] std::uint32_t pixels() const noexcept { return height * width; }
};

/// Builds the partition.
/// @param dqmap, sqmap int32 [height * width], 1-based labels, <= 0 masked; a pixel is valid where both are positive
/// @throws invalid_argument sizes differ, no valid pixel, a gap in the dynamic labels, a split static bin
Partition make_partition(std::uint32_t height, std::uint32_t width, std::span<const std::int32_t> dqmap, std::span<const std::int32_t> sqmap,
                         SplitBins split);

}  // namespace xpcs
