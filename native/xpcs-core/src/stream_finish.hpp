// The answer of a tile of a stream pixel by pixel, from curves that lie side by side: where sums over the pixels need more than 64 bits.
#pragma once
#include "tile_kernel.hpp"

namespace xpcs {

/// @param products [D, kTilePixels]; snapshots [stops, kTilePixels] totals; total [kTilePixels]
template <class Sum, class Product, class Total>
std::vector<RunSums<Sum>> finish_columns(const TileTask& task, std::uint32_t first, std::uint32_t pixels, const Product* products, const Total* snapshots, const Total* total,
                                            std::vector<double>& pixelMean) {
  const std::size_t D = task.scheme.delays.size();
  CurveScratch<std::int64_t> curve;
  curve.past.resize(D + 1);
  curve.future.resize(D + 1);
  curve.wide.resize(D);
  curve.g.resize(D);
  std::vector<RunSums<Sum>> runs;
  for (std::uint32_t rank = first; rank < first + pixels;) {
    RunSums<Sum>& run = runs.emplace_back(new_run<Sum>(task, rank));
    const std::uint32_t from = rank;
    curve.lanes.begin(task, run);
    for (const std::uint32_t end = run_end(task.part, rank, first + pixels); rank < end; ++rank) {
      const std::uint32_t local = rank - first;
      const std::uint32_t pixel = task.part.pixelOfRank[rank];
      const double factor = task.factor(pixel);
      const double counts = static_cast<double>(total[local]) * factor;
      run.total += counts;
      pixelMean[pixel] = task.per_frame(counts);
      if (task.part.correlated[rank] == 0) continue;
      const auto at = [&](std::uint32_t stop) { return static_cast<std::int64_t>(snapshots[stop * std::size_t{kTilePixels} + local]); };
      for (std::size_t d = 0; d < D; ++d) {
        curve.past[d] = at(task.stops.past[d]);
        curve.future[d] = at(task.stops.futureEnd[d]) - at(task.stops.futureFrom[d]);
        curve.wide[d] = products[d * kTilePixels + local];
        curve.g[d] = static_cast<double>(curve.wide[d]);
      }
      finish_pixel<Sum>(task, rank - from, pixel, factor, false, curve, run);
    }
    curve.lanes.end(task, run);
  }
  return runs;
}

}  // namespace xpcs
