// One tile of pixels kept densely (dense_store.hpp): each pixel's lines make its series of bytes. Same sums as
// tile_kernel.hpp; there is no flatfield here (the correlator refuses it).
#pragma once
#include "dense_store.hpp"
#include "tile_kernel.hpp"

namespace xpcs {

/// What one worker reuses from pixel to pixel.
struct DenseScratch {
  std::vector<std::uint8_t> series;
  std::vector<std::uint32_t> running;  // [F + 1]
  std::vector<std::uint32_t> frame;
  std::vector<std::int64_t> value;
  std::vector<double> real;
  std::vector<std::vector<DenseBatch::Escape>> escapes;  // by local rank
};

/// The pixel's bytes, zeros behind them.
inline void gather_series(const TileTask& task, const std::vector<DenseBatch>& batches, std::uint32_t rank, DenseScratch& scratch) {
  const std::size_t padded = task.frames + lag_padding(task.scheme.lag_max()) + DenseBatch::kFrames;
  if (scratch.series.size() < padded) scratch.series.resize(padded);
  for (const DenseBatch& batch : batches) {
    if (batch.base() >= task.frames) break;
    std::copy_n(batch.line(rank), DenseBatch::kFrames, scratch.series.data() + batch.base());
  }
  std::fill(scratch.series.begin() + static_cast<std::ptrdiff_t>(task.frames), scratch.series.begin() + static_cast<std::ptrdiff_t>(padded), std::uint8_t{0});
}

/// Pixels with counts above 127, and those whose frames are weighted, go the way of events.
template <class Sum>
void add_dense_as_events(const TileTask& task, std::uint32_t pixel, std::span<const DenseBatch::Escape> escapes, bool correlated,
                         DenseScratch& scratch, CurveScratch<std::int64_t>& curve, CurveScratch<double>& weighted, RunSums<Sum>& run, std::vector<double>& pixelMean) {
  scratch.frame.clear();
  scratch.value.clear();
  std::size_t next = 0;
  double magnitude = 0;
  for (std::uint32_t frame = 0; frame < task.frames; ++frame) {
    std::int64_t count = scratch.series[frame];
    if (next < escapes.size() && escapes[next].frame == frame) count = escapes[next++].count;
    if (count == 0) continue;
    scratch.frame.push_back(frame);
    scratch.value.push_back(count);
    magnitude += static_cast<double>(count);
  }
  const std::span<std::uint32_t> t(scratch.frame);
  const std::span<std::int64_t> v(scratch.value);
  const double total = add_static<std::int64_t>(task, t, v, 1.0, run);
  pixelMean[pixel] = total / (static_cast<double>(task.frames) * task.options.average);
  if (!correlated || t.empty()) return;
  if constexpr (std::is_same_v<Sum, double>) {
    if (task.weights != nullptr) {
      scratch.real.assign(v.begin(), v.end());
      add_pixel<double>(task, t, std::span<double>(scratch.real), pixel, 1.0, magnitude, weighted, run);
      return;
    }
  }
  add_pixel<std::int64_t>(task, t, v, pixel, 1.0, magnitude, curve, run);
}

/// A pixel of bytes: its edges and windows from one running sum, its products from the contiguous series.
template <class Sum>
void add_dense_pixel(const TileTask& task, std::uint32_t pixel, bool correlated, DenseScratch& scratch, CurveScratch<std::int64_t>& curve,
                     RunSums<Sum>& run, std::vector<double>& pixelMean) {
  const std::size_t F = task.frames;
  scratch.running.resize(F + 1);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < F; ++i) {
    scratch.running[i] = sum;
    sum += scratch.series[i];
  }
  scratch.running[F] = sum;
  run.total += sum;
  pixelMean[pixel] = sum / (static_cast<double>(F) * task.options.average);
  for (std::size_t w = 0; w < run.windows.size(); ++w) {
    const std::size_t from = w * task.options.staticWindow;
    run.windows[w] += (scratch.running[from + task.options.staticWindow] - scratch.running[from]);
  }
  if (!correlated || sum == 0) return;
  const std::size_t D = task.scheme.delays.size();
  curve.past.resize(D + 1);
  curve.future.resize(D + 1);
  for (std::size_t d = 0; d < D; ++d) {
    const Delay& delay = task.scheme.delays[d];
    curve.past[d] = scratch.running[delay.pastEnd];
    curve.future[d] = std::int64_t{scratch.running[delay.futureEnd]} - scratch.running[delay.frames];
  }
  curve.narrow.assign(D, 0);
  curve.series.add_bytes(task.scheme, scratch.series, curve.narrow.data());
  curve.g.resize(D);
  for (std::size_t d = 0; d < D; ++d) curve.g[d] = static_cast<double>(curve.narrow[d]);
  finish_pixel(task, pixel, 1.0, sum, true, curve, run);
}

/// All pixels of one tile. A pixel's running sum has 32 bits: the correlator refuses more than 2^25 dense frames.
template <class Sum>
std::vector<RunSums<Sum>> correlate_dense_tile(const TileTask& task, std::size_t tile, const std::vector<DenseBatch>& batches, DenseScratch& scratch,
                                               CurveScratch<std::int64_t>& curve, CurveScratch<double>& weighted, std::vector<double>& pixelMean) {
  const Partition& part = task.part;
  const auto first = static_cast<std::uint32_t>(tile * kTilePixels);
  const auto pixels = static_cast<std::uint32_t>(std::min<std::size_t>(kTilePixels, part.pixelOfRank.size() - first));
  scratch.escapes.resize(kTilePixels);
  for (auto& list : scratch.escapes) list.clear();
  for (const DenseBatch& batch : batches) {
    for (const auto& escape : batch.escapes(tile)) scratch.escapes[escape.rank - first].push_back(escape);
  }
  std::vector<RunSums<Sum>> runs;
  for (std::uint32_t local = 0; local < pixels; ++local) {
    const std::uint32_t rank = first + local;
    RunSums<Sum>& run = run_of(task, rank, runs);
    const std::uint32_t pixel = part.pixelOfRank[rank];
    gather_series(task, batches, rank, scratch);
    if (scratch.escapes[local].empty() && task.weights == nullptr) {
      add_dense_pixel(task, pixel, part.correlated[rank] != 0, scratch, curve, run, pixelMean);
    } else {
      add_dense_as_events(task, pixel, scratch.escapes[local], part.correlated[rank] != 0, scratch, curve, weighted, run, pixelMean);
    }
  }
  if (!runs.empty()) close_run(runs.back());
  return runs;
}

}  // namespace xpcs
