// One tile of pixels of a stream of real values: the numbers of each pixel (real_column.hpp) after the last frame in which it had a value.
#pragma once
#include <span>
#include <vector>

#include "event_store.hpp"
#include "tile_kernel.hpp"

namespace xpcs {

/// What one worker reuses from tile to tile.
struct RealWorker {
  TileScratch<double> photons;
  CurveScratch<double> curve;
};

class RealTile {
 public:
  explicit RealTile(std::uint32_t pixels) : pixels_(pixels) {}

  /// Takes the values of the batches, frames before task.frames that follow those that were taken before.
  void fold(const TileTask& task, std::uint32_t levelsMax, std::size_t tile, const std::vector<RealBatch>& batches, RealWorker& worker);
  /// The runs of the tile after task.frames frames, without their static sums. Changes nothing. @param batches as in fold
  std::vector<RunSums<double>> answer(const TileTask& task, std::uint32_t levelsMax, std::size_t tile, const std::vector<RealBatch>& batches, RealWorker& worker) const;

  [[nodiscard]] std::size_t bytes() const noexcept { return numbers_.capacity() * sizeof numbers_[0] + frames_.capacity() * sizeof frames_[0]; }
  /// At most, while it is taken to another number of levels.
  [[nodiscard]] static std::uint64_t bytes_max(std::uint32_t dpl, std::uint32_t levelsMax) { return kTilePixels * (RealLayout{dpl, levelsMax}.size() * sizeof(double) + sizeof(std::uint64_t)); }

 private:
  [[nodiscard]] static RealLayout layout_for(const TileTask& task, std::uint32_t levelsMax);
  void widen(const RealLayout& layout);
  /// A pixel's numbers in another layout, of at least as many levels.
  void copy(std::uint32_t pixel, const RealLayout& layout, double* to) const;

  std::uint32_t pixels_;
  RealLayout layout_{1, 0};
  std::vector<double> numbers_;        // [pixels, layout.size()]; empty before the first value
  std::vector<std::uint64_t> frames_;  // [pixels] that the numbers cover; 0: no value yet
};

}  // namespace xpcs
