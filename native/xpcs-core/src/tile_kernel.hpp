// One tile of pixels of any counts, in any order: sorts its photons by pixel, correlates each pixel, and adds up per static bin.
// What most tiles take is count_tile.hpp; this is for real values, weighted frames, negative or huge counts, and photons out of order. Every
// sum runs in a fixed order inside the tile (run_lanes.hpp), so the result never depends on which thread took it.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "dense_store.hpp"
#include "pixel_products.hpp"
#include "real_column.hpp"
#include "run_lanes.hpp"
#include "tile_task.hpp"

namespace xpcs {

/// What one worker reuses from tile to tile. Value: int64 or double.
template <class Value>
struct TileScratch {
  std::vector<std::uint32_t> start;
  std::vector<std::uint32_t> frame;
  std::vector<Value> value;
  std::vector<std::pair<std::uint32_t, Value>> sorting;
};

/// Per-delay arrays of one pixel. Value: int64 or double.
template <class Value>
struct CurveScratch {
  std::vector<Value> past, future;    // [D], and one to work with
  std::vector<std::int64_t> narrow;   // [D] exact sums of products, where 64 bits hold them
  std::vector<Int128> wide;           // [D] the same where they do not
  std::vector<double> g, p, f;        // [D] products, past and future sums as numbers
  SeriesKernel series;
  RealScratch real;
  RunLanes lanes;  // of the run that is open
};

/// Counting sort of the tile's photons by pixel; frames keep their order of arrival.
template <class Value, class Batches>
void sort_by_pixel(const TileTask& task, const Batches& batches, std::size_t tile, std::uint32_t pixels, TileScratch<Value>& scratch) {
  scratch.start.assign(pixels + 2, 0);
  for (const auto& batch : batches) {
    batch.for_each_place(tile, [&](std::uint32_t frame, std::uint32_t local) { scratch.start[local + 2] += frame < task.frames ? 1U : 0U; });
  }
  for (std::uint32_t i = 2; i < pixels + 2; ++i) scratch.start[i] += scratch.start[i - 1];
  if (scratch.frame.size() < scratch.start[pixels + 1]) {
    scratch.frame.resize(scratch.start[pixels + 1]);
    scratch.value.resize(scratch.start[pixels + 1]);
  }
  for (const auto& batch : batches) {
    batch.for_each(tile, [&](std::uint32_t frame, std::uint32_t local, auto count) {
      if (frame >= task.frames) return;
      const std::uint32_t at = scratch.start[local + 1]++;
      scratch.frame[at] = frame;
      scratch.value[at] = static_cast<Value>(count);
    });
  }
}

/// Orders one pixel's photons by frame and adds up those of one frame. Returns how many entries are left.
template <class Value>
std::size_t merge_frames(TileScratch<Value>& scratch, std::size_t from, std::size_t n) {
  auto* t = scratch.frame.data() + from;
  auto* v = scratch.value.data() + from;
  bool ascending = true;
  for (std::size_t i = 1; i < n && ascending; ++i) ascending = t[i - 1] < t[i];
  if (ascending) return n;
  scratch.sorting.clear();
  for (std::size_t i = 0; i < n; ++i) scratch.sorting.emplace_back(t[i], v[i]);
  std::stable_sort(scratch.sorting.begin(), scratch.sorting.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (const auto& [frame, value] : scratch.sorting) {
    if (kept > 0 && t[kept - 1] == frame) {
      v[kept - 1] += value;
    } else {
      t[kept] = frame;
      v[kept] = value;
      ++kept;
    }
  }
  return kept;
}

/// Sums of products of one pixel at every delay into curve.g, and exactly into curve.narrow where 64 bits hold them (true), else into
/// curve.wide. Changes t and v.
inline bool products(const Scheme& scheme, std::span<std::uint32_t> t, std::span<std::int64_t> v, double magnitude, CurveScratch<std::int64_t>& curve) {
  const std::size_t D = scheme.delays.size();
  curve.g.assign(D, 0.0);
  if (magnitude >= 9.0e18) throw Error(Code::invalid_argument, "one pixel counts more than 9e18 photons: the sums would overflow");
  if (magnitude >= kNarrowMagnitude) {
    curve.wide.assign(D, Int128{0});
    add_levels<std::int64_t, Int128>(scheme, t, v, curve.wide.data());
    for (std::size_t d = 0; d < D; ++d) curve.g[d] = static_cast<double>(curve.wide[d]);
    return false;
  }
  curve.narrow.assign(D, 0);
  add_products<std::int64_t>(scheme, t, v, magnitude, curve.series, curve.narrow.data());
  for (std::size_t d = 0; d < D; ++d) curve.g[d] = static_cast<double>(curve.narrow[d]);
  return true;
}

/// The curve of a pixel of real values, from its numbers after all frames.
inline void real_curve(const TileTask& task, const RealLayout& layout, const double* own, CurveScratch<double>& curve) {
  const std::size_t D = task.scheme.delays.size();
  for (auto* sums : {&curve.g, &curve.past, &curve.future}) sums->resize(D);
  finish_real(layout, own, task.scheme, curve.g.data(), curve.past.data(), curve.future.data());
  for (std::size_t d = 0; d < D; ++d) {
    curve.g[d] *= task.scale * task.scale;
    curve.past[d] *= task.scale;
    curve.future[d] *= task.scale;
  }
}

/// Static sums of one pixel; returns its total with the flatfield. Windows get the totals up to their ends, as in count_tile.cpp.
template <class Value, class Sum>
double add_static(const TileTask& task, std::span<const std::uint32_t> t, std::span<const Value> v, double factor, RunSums<Sum>& run) {
  double total = 0;
  std::size_t window = 0;
  const auto close_until = [&](std::uint64_t frame) {
    for (; window < run.windows.size() && (window + 1) * std::uint64_t{task.options.staticWindow} <= frame; ++window) run.windows[window] += total * factor;
  };
  for (std::size_t i = 0; i < t.size(); ++i) {
    close_until(t[i]);
    total += static_cast<double>(v[i]);
  }
  close_until(task.frames);
  run.total += total * factor;
  return total * factor;
}

/// The run has all its pixels: its windows become the differences of the totals up to their ends.
template <class Sum>
void close_windows(RunSums<Sum>& run) {
  for (std::size_t window = run.windows.size(); window-- > 1;) run.windows[window] -= run.windows[window - 1];
}

/// Adds a pixel's curve, of which past, future and the products are known, to its run.
/// @param number of the pixel in the run
template <class Sum, class Value>
void finish_pixel(const TileTask& task, std::size_t number, std::uint32_t pixel, double factor, bool narrow, CurveScratch<Value>& curve, RunSums<Sum>& run) {
  const std::size_t D = task.scheme.delays.size();
  curve.p.assign(curve.past.begin(), curve.past.begin() + static_cast<std::ptrdiff_t>(D));
  curve.f.assign(curve.future.begin(), curve.future.begin() + static_cast<std::ptrdiff_t>(D));
  const std::size_t stride = curve.lanes.group_stride();
  const auto add_to_group = [&](std::size_t d, Sum products, Sum past, Sum future) {
    Sum* group = curve.lanes.template group<Sum>(number, d);
    group[0] += products;
    group[stride] += past;
    group[2 * stride] += future;
  };
  if constexpr (std::is_same_v<Sum, double>) {
    const auto [products, past, future] = curve.lanes.real(number);
    for (std::size_t d = 0; d < D; ++d) {
      const double g = curve.g[d] * (factor * factor);
      const double p = curve.p[d] * factor;
      const double f = curve.f[d] * factor;
      products[d] += g;
      past[d] += p;
      future[d] += f;
      add_to_group(d, g, p, f);
    }
  } else {
    for (std::size_t d = 0; d < D; ++d) {
      const Int128 products = narrow ? Int128{curve.narrow[d]} : curve.wide[d];
      run.g2[d] += products;
      run.past[d] += curve.past[d];
      run.future[d] += curve.future[d];
      add_to_group(d, products, curve.past[d], curve.future[d]);
    }
  }
  add_curve(curve.g.data(), curve.p.data(), curve.f.data(), task.scheme.terms.data(), D, factor, curve.lanes.of(number));
  if (task.perPixel == nullptr) return;
  for (std::size_t d = 0; d < D; ++d) write_curve(task, d, pixel, curve.g[d] * factor * factor, curve.p[d] * factor, curve.f[d] * factor);
}

/// Correlates one pixel and adds it to its run. Changes t and v.
template <class Value, class Sum>
void add_pixel(const TileTask& task, std::size_t number, std::span<std::uint32_t> t, std::span<Value> v, std::uint32_t pixel, double factor, CurveScratch<Value>& curve,
               RunSums<Sum>& run) {
  bool narrow = false;
  if constexpr (std::is_same_v<Value, double>) {
    for (std::size_t i = 0; i < t.size() && task.weights != nullptr; ++i) v[i] *= (*task.weights)[t[i]];
    const RealLayout layout{task.scheme.dpl, std::max(1U, task.scheme.levels)};
    curve.real.own.assign(layout.size(), 0.0);
    take_real(layout, curve.real.own.data(), 0, task.frames, t, v, curve.real);
    real_curve(task, layout, curve.real.own.data(), curve);
  } else {
    const std::size_t D = task.scheme.delays.size();
    double magnitude = 0;
    for (const Value value : v) magnitude += std::abs(static_cast<double>(value));
    curve.past.resize(D + 1);
    curve.future.resize(D + 1);
    task.edges.sums<Value, Value>(t, v, curve.past.data(), curve.future.data());
    narrow = products(task.scheme, t, v, magnitude, curve);
  }
  finish_pixel(task, number, pixel, factor, narrow, curve, run);
}

/// Adds one pixel's photons, in order and one a frame, to its run, which begins at rank `first`. Changes t and v.
template <class Value, class Sum>
void take_pixel(const TileTask& task, std::uint32_t first, std::uint32_t rank, std::span<std::uint32_t> t, std::span<Value> v, CurveScratch<Value>& curve, RunSums<Sum>& run,
                std::vector<double>& pixelMean) {
  if (t.empty()) return;
  const std::uint32_t pixel = task.part.pixelOfRank[rank];
  const double factor = task.factor(pixel);
  pixelMean[pixel] = task.per_frame(add_static<Value>(task, t, v, factor, run));
  if (task.part.correlated[rank] == 0) return;
  add_pixel<Value>(task, rank - first, t, v, pixel, factor, curve, run);
}

/// All pixels of one tile. `pixelMean` gets the tile's pixels (no other tile writes them).
template <class Sum, class Value, class Batches>
std::vector<RunSums<Sum>> correlate_tile(const TileTask& task, std::size_t tile, const Batches& batches, TileScratch<Value>& scratch, CurveScratch<Value>& curve,
                                         std::vector<double>& pixelMean) {
  const auto first = static_cast<std::uint32_t>(tile * kTilePixels);
  const auto pixels = static_cast<std::uint32_t>(std::min<std::size_t>(kTilePixels, task.part.pixelOfRank.size() - first));
  sort_by_pixel<Value>(task, batches, tile, pixels, scratch);
  std::vector<RunSums<Sum>> runs;
  for (std::uint32_t rank = first; rank < first + pixels;) {
    RunSums<Sum>& run = runs.emplace_back(new_run<Sum>(task, rank));
    const std::uint32_t from = rank;
    curve.lanes.begin(task, run);
    for (const std::uint32_t end = run_end(task.part, rank, first + pixels); rank < end; ++rank) {
      const std::size_t at = scratch.start[rank - first];
      const std::size_t n = merge_frames(scratch, at, scratch.start[rank - first + 1] - at);
      take_pixel<Value>(task, from, rank, {scratch.frame.data() + at, n}, {scratch.value.data() + at, n}, curve, run, pixelMean);
    }
    curve.lanes.end(task, run);
    close_windows(run);
  }
  return runs;
}

/// The same for dense frames whose values are weighted.
template <class Sum>
std::vector<RunSums<Sum>> correlate_weighted_tile(const TileTask& task, std::size_t tile, std::span<const DenseBatch> batches, TileScratch<double>& scratch,
                                                  CurveScratch<double>& curve, std::vector<double>& pixelMean) {
  const auto first = static_cast<std::uint32_t>(tile * kTilePixels);
  const auto end = static_cast<std::uint32_t>(std::min<std::size_t>(first + kTilePixels, task.part.pixelOfRank.size()));
  std::vector<RunSums<Sum>> runs;
  for (std::uint32_t rank = first; rank < end;) {
    RunSums<Sum>& run = runs.emplace_back(new_run<Sum>(task, rank));
    const std::uint32_t from = rank;
    curve.lanes.begin(task, run);
    for (const std::uint32_t to = run_end(task.part, rank, end); rank < to; ++rank) {
      scratch.frame.clear();
      scratch.value.clear();
      for (const DenseBatch& batch : batches) {
        batch.for_each(rank, tile, [&](std::uint32_t frame, std::uint32_t count) {
          if (frame >= task.frames) return;
          scratch.frame.push_back(frame);
          scratch.value.push_back(count);
        });
      }
      take_pixel<double>(task, from, rank, scratch.frame, scratch.value, curve, run, pixelMean);
    }
    curve.lanes.end(task, run);
    close_windows(run);
  }
  return runs;
}

}  // namespace xpcs
