#include "real_tile.hpp"

#include <bit>

namespace xpcs {

RealLayout RealTile::layout_for(const TileTask& task, std::uint32_t levelsMax) {
  return {task.scheme.dpl, std::clamp(static_cast<std::uint32_t>(std::bit_width(task.frames)), 1U, levelsMax)};
}

void RealTile::copy(std::uint32_t pixel, const RealLayout& layout, double* to) const {
  std::fill_n(to, layout.size(), 0.0);
  if (frames_.empty() || frames_[pixel] == 0) return;
  const double* from = numbers_.data() + pixel * layout_.size();
  to[0] = from[0];
  std::copy_n(from + layout_.products(), layout_.delays(), to + layout.products());
  std::copy_n(from + layout_.heads(), layout_.delays(), to + layout.heads());
  std::copy_n(from + layout_.blocks(0), layout_.size() - layout_.blocks(0), to + layout.blocks(0));
}

void RealTile::widen(const RealLayout& layout) {
  if (layout.levels == layout_.levels) return;
  std::vector<double> wider(pixels_ * layout.size());
  for (std::uint32_t pixel = 0; pixel < pixels_; ++pixel) copy(pixel, layout, wider.data() + pixel * layout.size());
  numbers_ = std::move(wider);
  frames_.resize(pixels_, 0);
  layout_ = layout;
}

void RealTile::fold(const TileTask& task, std::uint32_t levelsMax, std::size_t tile, const std::vector<RealBatch>& batches, RealWorker& worker) {
  TileScratch<double>& photons = worker.photons;
  sort_by_pixel<double>(task, batches, tile, pixels_, photons);
  if (photons.start[pixels_] == 0) return;
  widen(layout_for(task, levelsMax));
  for (std::uint32_t pixel = 0; pixel < pixels_; ++pixel) {
    const std::size_t at = photons.start[pixel];
    const std::size_t n = photons.start[pixel + 1] - at;
    if (n == 0) continue;
    take_real(layout_, numbers_.data() + pixel * layout_.size(), frames_[pixel], task.frames, std::span(photons.frame).subspan(at, n), std::span(photons.value).subspan(at, n),
              worker.curve.real);
    frames_[pixel] = task.frames;
  }
}

std::vector<RunSums<double>> RealTile::answer(const TileTask& task, std::uint32_t levelsMax, std::size_t tile, const std::vector<RealBatch>& batches, RealWorker& worker) const {
  TileScratch<double>& photons = worker.photons;
  CurveScratch<double>& curve = worker.curve;
  const auto first = static_cast<std::uint32_t>(tile * kTilePixels);
  sort_by_pixel<double>(task, batches, tile, pixels_, photons);
  const RealLayout layout = layout_for(task, levelsMax);
  std::vector<RunSums<double>> runs;
  for (std::uint32_t rank = first; rank < first + pixels_;) {
    RunSums<double>& run = runs.emplace_back(new_run<double>(task, rank));
    const std::uint32_t from = rank;
    curve.lanes.begin(task, run);
    for (const std::uint32_t end = run_end(task.part, rank, first + pixels_); rank < end; ++rank) {
      const std::uint32_t local = rank - first;
      const std::size_t at = photons.start[local];
      const std::size_t n = photons.start[local + 1] - at;
      const std::uint64_t covered = frames_.empty() ? 0 : frames_[local];
      if (task.part.correlated[rank] == 0 || (n == 0 && covered == 0)) continue;
      curve.real.own.resize(layout.size());
      copy(local, layout, curve.real.own.data());
      take_real(layout, curve.real.own.data(), covered, task.frames, std::span(photons.frame).subspan(at, n), std::span(photons.value).subspan(at, n), curve.real);
      real_curve(task, layout, curve.real.own.data(), curve);
      const std::uint32_t pixel = task.part.pixelOfRank[rank];
      finish_pixel<double>(task, rank - from, pixel, task.factor(pixel), false, curve, run);
    }
    curve.lanes.end(task, run);
  }
  return runs;
}

}  // namespace xpcs
