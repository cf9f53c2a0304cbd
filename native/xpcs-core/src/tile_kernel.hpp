// One tile of pixels: sorts its photons by pixel, correlates each pixel, and adds up per static bin. Every sum runs in
// rank order inside the tile, so the result never depends on which thread took it.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "event_store.hpp"
#include "pixel_kernel.hpp"
#include "series_kernel.hpp"
#include "spread.hpp"
#include "xpcs/correlator.hpp"
#include "xpcs/moments.hpp"

namespace xpcs {

struct TileTask {
  const Partition& part;
  const CorrelatorOptions& options;
  const Scheme& scheme;
  const EdgeTable& edges;
  const std::vector<double>* weights;  ///< per frame, or none
  std::uint64_t frames;
  CorrelationResult* perPixel;  ///< where per-pixel curves go, or none
};

/// 64-bit sums of the pixels of a run, moved into its 128-bit sums before they could overflow: adding 128 bits for every
/// pixel and delay would cost as much as correlating a dark pixel.
struct Pending {
  std::vector<std::int64_t> g2, past, future;
  double bound = 0;  // no element's magnitude exceeds it

  template <class Run>
  void flush(Run& run) {
    for (std::size_t d = 0; d < g2.size(); ++d) {
      run.g2[d] += g2[d];
      run.past[d] += past[d];
      run.future[d] += future[d];
    }
    for (auto* sums : {&g2, &past, &future}) std::fill(sums->begin(), sums->end(), std::int64_t{0});
    bound = 0;
  }

  /// Adds a pixel's past and future sums, and its products where 64 bits hold them; turns the former into numbers.
  /// @param magnitude of the pixel's counts; its products stay within its square
  template <class Curve, class Run>
  void add(bool narrow, Curve& curve, double magnitude, Run& run) {
    const std::size_t delays = curve.p.size();
    if (g2.size() != delays) {
      for (auto* sums : {&g2, &past, &future}) sums->assign(delays, 0);
    }
    const double grows = narrow ? magnitude * std::max(magnitude, 1.0) : magnitude;
    if (bound + grows > 4.0e18) flush(run);
    bound += grows;
    add_and_convert(curve.past.data(), delays, past.data(), curve.p.data());
    add_and_convert(curve.future.data(), delays, future.data(), curve.f.data());
    if (narrow) add_and_convert(curve.narrow.data(), delays, g2.data(), curve.g.data());
  }
};

/// Sums over the pixels of one (dynamic, static) bin inside one tile. Sum: Int128 for integers, double otherwise.
template <class Sum>
struct RunSums {
  std::uint32_t dynamicBin = 0;
  std::uint32_t staticBin = 0;
  double total = 0;
  std::vector<double> windows{};
  std::vector<Sum> g2{};  // [D]; this and all below empty where the run is not correlated
  std::vector<Sum> past{}, future{};
  std::vector<double> pairs{}, ratio{}, ratio2{};
  std::vector<double> spread{};  // [6, D]: gg gp gf pp pf ff
  Pending pending{};             // integers only
};

/// What one worker reuses from tile to tile. Value: int32 where a tile's counts prove that it suffices, int64, or double.
template <class Value>
struct TileScratch {
  std::vector<std::uint32_t> start;
  std::vector<std::uint32_t> frame;
  std::vector<Value> value;
  std::vector<std::pair<std::uint32_t, Value>> sorting;
};

/// Per-delay arrays of one pixel. Edge: int64 for integers, double otherwise; Acc: of the products.
template <class Edge>
struct CurveScratch {
  std::vector<Edge> past, future;     // [D + 1]
  std::vector<std::int64_t> narrow;   // [D] exact sums of products, where 64 bits hold them
  std::vector<Int128> wide;           // [D] the same where they do not
  std::vector<double> g, p, f;        // [D] products, past and future sums as numbers
  SeriesKernel series;
};

/// Photons up to which a pixel is correlated pair by pair, and blocks per entry below which a level is contiguous.
constexpr std::size_t kPairsMax = 12;
constexpr std::size_t kBlocksPerEntry = 40;

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

/// Sums of products of one pixel at every delay into curve.g, and for integers exactly into curve.narrow (64 bits) where the
/// pixel's total proves that they suffice (|sum of products| <= total^2), else into curve.wide. Changes t and v.
template <class Value, class Edge>
bool products(const Scheme& scheme, std::span<std::uint32_t> t, std::span<Value> v, double magnitude, CurveScratch<Edge>& curve) {
  const std::size_t D = scheme.delays.size();
  curve.g.assign(D, 0.0);
  if constexpr (std::is_same_v<Value, double>) {
    if (t.size() <= kPairsMax) add_pairs<Value, double>(scheme, t, v, curve.g.data());
    else add_levels<Value, double>(scheme, t, v, curve.g.data());
    return true;
  } else {
    if (magnitude >= 9.0e18) throw Error(Code::invalid_argument, "one pixel counts more than 9e18 photons: the sums would overflow");
    if (magnitude >= 3.0e9) {
      curve.wide.assign(D, Int128{0});
      add_levels<Value, Int128>(scheme, t, v, curve.wide.data());
      for (std::size_t d = 0; d < D; ++d) curve.g[d] = static_cast<double>(curve.wide[d]);
      return false;
    }
    curve.narrow.assign(D, 0);
    if (t.size() <= kPairsMax) {
      add_pairs<Value, std::int64_t>(scheme, t, v, curve.narrow.data());
    } else if (magnitude < 2.0e9) {
      const auto [level, left] = add_levels<Value, std::int64_t>(scheme, t, v, curve.narrow.data(), kBlocksPerEntry);
      if (level < scheme.levels) curve.series.template add<Value>(scheme, level, t.first(left), v.first(left), curve.narrow.data());
    } else {
      add_levels<Value, std::int64_t>(scheme, t, v, curve.narrow.data());
    }
    for (std::size_t d = 0; d < D; ++d) curve.g[d] = static_cast<double>(curve.narrow[d]);
    return true;
  }
}

/// Static sums of one pixel; returns its total with the flatfield.
template <class Value, class Sum>
double add_static(const TileTask& task, std::span<const std::uint32_t> t, std::span<const Value> v, double factor, RunSums<Sum>& run) {
  double total = 0;
  for (const auto value : v) total += static_cast<double>(value);
  if (!run.windows.empty()) {
    const std::uint32_t window = task.options.staticWindow;
    std::size_t w = 0;
    std::uint64_t end = window;
    for (std::size_t i = 0; i < t.size(); ++i) {
      if (t[i] >= end) {
        w = t[i] / window;
        end = (std::uint64_t{w} + 1) * window;
        if (w >= run.windows.size()) break;
      }
      run.windows[w] += static_cast<double>(v[i]) * factor;
    }
  }
  run.total += total * factor;
  return total * factor;
}

template <class Edge>
void write_pixel(const TileTask& task, std::uint32_t pixel, double factor, const CurveScratch<Edge>& curve) {
  for (std::size_t d = 0; d < task.scheme.delays.size(); ++d) {
    const Delay& delay = task.scheme.delays[d];
    const auto terms = static_cast<double>(delay.terms);
    const double block = std::ldexp(static_cast<double>(task.options.average), static_cast<int>(delay.level));
    const std::size_t at = d * task.part.pixels() + pixel;
    task.perPixel->perPixelG2[at] = static_cast<float>(curve.g[d] * factor * factor / (block * block * terms));
    task.perPixel->perPixelIP[at] = static_cast<float>(curve.p[d] * factor / (block * terms));
    task.perPixel->perPixelIF[at] = static_cast<float>(curve.f[d] * factor / (block * terms));
  }
}

/// Adds a pixel's curve, of which past, future and the products are known, to its run.
template <class Sum, class Edge>
void finish_pixel(const TileTask& task, std::uint32_t pixel, double factor, double magnitude, bool narrow, CurveScratch<Edge>& curve, RunSums<Sum>& run) {
  const std::size_t D = task.scheme.delays.size();
  curve.p.resize(D);
  curve.f.resize(D);
  if constexpr (std::is_same_v<Sum, double>) {
    std::copy_n(curve.past.begin(), D, curve.p.begin());
    std::copy_n(curve.future.begin(), D, curve.f.begin());
    for (std::size_t d = 0; d < D; ++d) {
      run.g2[d] += curve.g[d] * (factor * factor);
      run.past[d] += curve.p[d] * factor;
      run.future[d] += curve.f[d] * factor;
    }
  } else {
    run.pending.add(narrow, curve, magnitude, run);
    if (!narrow) {
      for (std::size_t d = 0; d < D; ++d) run.g2[d] += curve.wide[d];
    }
  }
  add_curve(curve.g.data(), curve.p.data(), curve.f.data(), task.scheme.terms.data(), D, factor, {run.spread.data(), run.pairs.data(), run.ratio.data(), run.ratio2.data()});
  if (task.perPixel != nullptr) write_pixel(task, pixel, factor, curve);
}

/// Correlates one pixel and adds it to its run. Changes t and v.
template <class Value, class Sum, class Edge>
void add_pixel(const TileTask& task, std::span<std::uint32_t> t, std::span<Value> v, std::uint32_t pixel, double factor, double magnitude,
               CurveScratch<Edge>& curve, RunSums<Sum>& run) {
  const std::size_t D = task.scheme.delays.size();
  if (task.weights != nullptr) {
    for (std::size_t i = 0; i < t.size(); ++i) v[i] = static_cast<Value>(static_cast<double>(v[i]) * (*task.weights)[t[i]]);
  }
  curve.past.resize(D + 1);
  curve.future.resize(D + 1);
  task.edges.sums<Value, Edge>(t, v, curve.past.data(), curve.future.data());
  const bool narrow = products<Value, Edge>(task.scheme, t, v, magnitude, curve);
  finish_pixel(task, pixel, factor, magnitude, narrow, curve, run);
}

template <class Sum>
RunSums<Sum> new_run(const TileTask& task, std::uint32_t dynamicBin, std::uint32_t staticBin, bool correlated) {
  const std::size_t D = task.scheme.delays.size();
  const std::size_t W = task.options.staticWindow > 0 ? task.frames / task.options.staticWindow : 0;
  RunSums<Sum> run{.dynamicBin = dynamicBin, .staticBin = staticBin, .windows = std::vector<double>(W, 0.0)};
  if (!correlated) return run;
  for (auto* sums : {&run.g2, &run.past, &run.future}) sums->assign(D, Sum{0});
  for (auto* sums : {&run.pairs, &run.ratio, &run.ratio2}) sums->assign(D, 0.0);
  run.spread.assign(6 * D, 0.0);
  return run;
}

/// Ends a run: its sums are complete.
template <class Sum>
void close_run(RunSums<Sum>& run) {
  if constexpr (std::is_same_v<Sum, Int128>) run.pending.flush(run);
  run.pending = {};
}

/// The run that a pixel belongs to: the last one, or a new one where its bins differ.
template <class Sum>
RunSums<Sum>& run_of(const TileTask& task, std::uint32_t rank, std::vector<RunSums<Sum>>& runs) {
  const std::uint32_t q = task.part.dynamicOfRank[rank];
  const std::uint32_t s = task.part.staticOfRank[rank];
  if (runs.empty() || runs.back().dynamicBin != q || runs.back().staticBin != s) {
    if (!runs.empty()) close_run(runs.back());
    runs.push_back(new_run<Sum>(task, q, s, task.part.correlated[rank] != 0));
  }
  return runs.back();
}

/// All pixels of one tile. `pixelMean` gets the tile's pixels (no other tile writes them).
template <class Sum, class Value, class Edge, class Batches>
std::vector<RunSums<Sum>> correlate_tile(const TileTask& task, std::size_t tile, const Batches& batches, TileScratch<Value>& scratch,
                                         CurveScratch<Edge>& curve, std::vector<double>& pixelMean) {
  const Partition& part = task.part;
  const auto first = static_cast<std::uint32_t>(tile * kTilePixels);
  const auto pixels = static_cast<std::uint32_t>(std::min<std::size_t>(kTilePixels, part.pixelOfRank.size() - first));
  sort_by_pixel<Value>(task, batches, tile, pixels, scratch);

  std::vector<RunSums<Sum>> runs;
  for (std::uint32_t local = 0; local < pixels; ++local) {
    const std::uint32_t rank = first + local;
    RunSums<Sum>& run = run_of(task, rank, runs);
    const std::size_t from = scratch.start[local];
    const std::size_t arrived = scratch.start[local + 1] - from;
    if (arrived == 0) continue;
    const std::size_t n = merge_frames(scratch, from, arrived);
    const std::span<std::uint32_t> t(scratch.frame.data() + from, n);
    const std::span<Value> v(scratch.value.data() + from, n);
    const std::uint32_t pixel = part.pixelOfRank[rank];
    const double factor = task.options.pixelFactor.empty() ? 1.0 : task.options.pixelFactor[pixel];
    const double total = add_static<Value>(task, t, v, factor, run);
    pixelMean[pixel] = total / (static_cast<double>(task.frames) * task.options.average);
    if (part.correlated[rank] == 0) continue;
    double magnitude = 0;
    for (const Value value : v) magnitude += std::abs(static_cast<double>(value));
    add_pixel<Value>(task, t, v, pixel, factor, magnitude, curve, run);
  }
  if (!runs.empty()) close_run(runs.back());
  return runs;
}

}  // namespace xpcs
