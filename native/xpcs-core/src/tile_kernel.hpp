// One tile of pixels: sorts its photons by pixel, correlates each pixel, and adds up per static bin. Every sum runs in
// rank order inside the tile, so the result never depends on which thread took it.
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "event_store.hpp"
#include "pixel_kernel.hpp"
#include "xpcs/correlator.hpp"

namespace xpcs {

__extension__ using Int128 = __int128;

/// The frame axis cut at every frame where some IP or IF begins or ends: a photon adds to one section, and every IP and
/// IF of its bin is a sum of sections.
class FrameAxis {
 public:
  FrameAxis(std::uint64_t frames, const Scheme& scheme) {
    std::vector<std::uint64_t> cuts{0};
    for (const Delay& d : scheme.delays) cuts.insert(cuts.end(), {d.frames, d.pastEnd, d.futureEnd});
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    sections_ = cuts.size();
    const auto section_at = [&](std::uint64_t frame) {
      return static_cast<std::uint16_t>(std::lower_bound(cuts.begin(), cuts.end(), frame) - cuts.begin());
    };
    for (const Delay& d : scheme.delays) ranges_.push_back({section_at(d.pastEnd), section_at(d.frames), section_at(d.futureEnd)});
    sectionOfFrame_.resize(frames);
    std::size_t section = 0;
    for (std::uint64_t frame = 0; frame < frames; ++frame) {
      while (section + 1 < cuts.size() && cuts[section + 1] <= frame) ++section;
      sectionOfFrame_[frame] = static_cast<std::uint16_t>(section);
    }
  }

  [[nodiscard]] std::size_t sections() const noexcept { return sections_; }
  [[nodiscard]] std::uint16_t section(std::uint32_t frame) const noexcept { return sectionOfFrame_[frame]; }

  template <class Sum>
  [[nodiscard]] double past(const Sum* bins, std::size_t d) const {
    return static_cast<double>(std::accumulate(bins, bins + ranges_[d].pastEnd, Sum{0}));
  }
  template <class Sum>
  [[nodiscard]] double future(const Sum* bins, std::size_t d) const {
    return static_cast<double>(std::accumulate(bins + ranges_[d].start, bins + ranges_[d].futureEnd, Sum{0}));
  }

 private:
  struct Range {
    std::uint16_t pastEnd, start, futureEnd;
  };
  std::size_t sections_ = 0;
  std::vector<Range> ranges_;
  std::vector<std::uint16_t> sectionOfFrame_;
};

struct TileTask {
  const Partition& part;
  const CorrelatorOptions& options;
  const Scheme& scheme;
  const FrameAxis& axis;
  const std::vector<double>* weights;  ///< per frame, or none
  std::uint64_t frames;
  CorrelationResult* perPixel;  ///< where per-pixel curves go, or none
};

/// Sums over the pixels of one (dynamic, static) bin inside one tile.
template <class Sum>
struct RunSums {
  std::uint32_t dynamicBin = 0;
  std::uint32_t staticBin = 0;
  double total = 0;
  std::vector<double> windows{};
  std::vector<Sum> g2{};  // empty where the run is not correlated
  std::vector<Sum> intensity{};
  std::vector<double> pairs{}, ratio{}, ratio2{};
};

template <class Sum>
struct TileSums {
  std::vector<RunSums<Sum>> runs;
};

/// What one worker reuses from tile to tile.
template <class Sum>
struct TileScratch {
  using Value = std::conditional_t<std::is_same_v<Sum, double>, double, std::int64_t>;
  std::vector<std::size_t> start;
  std::vector<std::uint32_t> frame;
  std::vector<Value> value;
  std::vector<std::pair<std::uint32_t, Value>> sorting;
  std::vector<Sum> running, past, future, acc;
  std::vector<std::int64_t> narrow;
};

/// Photons above which a pixel is walked level by level instead of pair by pair (both give the same integers).
constexpr std::size_t kPairsMax = 40;

/// Counting sort of the tile's photons by pixel; frames keep their order of arrival.
template <class Sum, class Tile>
void sort_by_pixel(const TileTask& task, const Tile& tile, std::uint32_t pixels, TileScratch<Sum>& scratch) {
  scratch.start.assign(pixels + 2, 0);
  tile.for_each([&](std::uint32_t frame, std::uint32_t local, auto) {
    if (frame < task.frames) ++scratch.start[local + 2];
  });
  for (std::uint32_t i = 2; i < pixels + 2; ++i) scratch.start[i] += scratch.start[i - 1];
  scratch.frame.resize(scratch.start[pixels + 1]);
  scratch.value.resize(scratch.start[pixels + 1]);
  tile.for_each([&](std::uint32_t frame, std::uint32_t local, auto count) {
    if (frame >= task.frames) return;
    const std::size_t at = scratch.start[local + 1]++;
    scratch.frame[at] = frame;
    scratch.value[at] = static_cast<typename TileScratch<Sum>::Value>(count);
  });
}

/// Orders one pixel's photons by frame and adds up those of one frame. Returns how many entries are left.
template <class Sum>
std::size_t merge_frames(TileScratch<Sum>& scratch, std::size_t from, std::size_t n) {
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

/// Sums of products of one pixel at every delay, exact for integers: 64 bits where the pixel's total proves they
/// suffice (|sum of products| <= total^2), else 128.
template <class Sum>
void products(const Scheme& scheme, std::span<std::uint32_t> t, std::span<typename TileScratch<Sum>::Value> v, TileScratch<Sum>& scratch) {
  using Value = typename TileScratch<Sum>::Value;
  const auto run = [&](auto* sums) {
    using Acc = std::remove_pointer_t<decltype(sums)>;
    if (t.size() <= kPairsMax) {
      add_pairs<Value, Acc>(scheme, t, v, sums);
    } else {
      add_levels<Value, Acc>(scheme, t, v, sums);
    }
  };
  const std::size_t D = scheme.delays.size();
  scratch.acc.assign(D, Sum{0});
  if constexpr (std::is_same_v<Sum, double>) {
    run(scratch.acc.data());
  } else {
    double total = 0;
    for (const Value value : v) total += std::abs(static_cast<double>(value));
    if (total >= 9.0e18) throw Error(Code::invalid_argument, "one pixel counts more than 9e18 photons: the sums would overflow");
    if (total < 3.0e9) {
      scratch.narrow.assign(D, 0);
      run(scratch.narrow.data());
      std::copy(scratch.narrow.begin(), scratch.narrow.end(), scratch.acc.begin());
    } else {
      run(scratch.acc.data());
    }
  }
}

/// Static sums of one pixel; returns its total with the flatfield.
template <class Sum>
double add_static(const TileTask& task, std::span<const std::uint32_t> t, std::span<const typename TileScratch<Sum>::Value> v, double factor,
                  RunSums<Sum>& run) {
  double total = 0;
  for (const auto value : v) total += static_cast<double>(value);
  const std::uint32_t window = task.options.staticWindow;
  std::size_t w = 0;
  for (std::size_t i = 0; i < t.size() && !run.windows.empty(); ++i) {
    w = std::max<std::size_t>(w, t[i] / window);
    if (w >= run.windows.size()) break;
    run.windows[w] += static_cast<double>(v[i]) * factor;
  }
  run.total += total * factor;
  return total * factor;
}

/// Correlates one pixel and adds it to its run.
template <class Sum>
void add_pixel(const TileTask& task, std::span<std::uint32_t> t, std::span<typename TileScratch<Sum>::Value> v, std::uint32_t pixel, double factor,
               TileScratch<Sum>& scratch, RunSums<Sum>& run) {
  using Value = typename TileScratch<Sum>::Value;
  const std::size_t D = task.scheme.delays.size();
  if (task.weights != nullptr) {
    for (std::size_t i = 0; i < t.size(); ++i) v[i] = static_cast<Value>(static_cast<double>(v[i]) * (*task.weights)[t[i]]);
  }
  const auto scaled = [&](Sum sum, double by) {
    if constexpr (std::is_same_v<Sum, double>) return sum * by;
    return sum;
  };
  for (std::size_t i = 0; i < t.size(); ++i) run.intensity[task.axis.section(t[i])] += scaled(static_cast<Sum>(v[i]), factor);
  if (t.size() < 2 && task.perPixel == nullptr) return;

  scratch.past.resize(D);
  scratch.future.resize(D);
  edge_sums<Value, Sum>(task.scheme, t, v, scratch.running, scratch.past.data(), scratch.future.data());
  products<Sum>(task.scheme, t, v, scratch);
  for (std::size_t d = 0; d < D; ++d) {
    const Delay& delay = task.scheme.delays[d];
    const auto g2 = static_cast<double>(scratch.acc[d]);
    const auto past = static_cast<double>(scratch.past[d]);
    const auto future = static_cast<double>(scratch.future[d]);
    const auto terms = static_cast<double>(delay.terms);
    if (g2 != 0) {
      run.g2[d] += scaled(scratch.acc[d], factor * factor);
      run.pairs[d] += g2;
      const double x = terms * g2 / (past * future);
      if (!std::isnan(x)) {
        run.ratio[d] += x;
        run.ratio2[d] += x * x;
      }
    }
    if (task.perPixel != nullptr) {
      const double block = std::ldexp(static_cast<double>(task.options.average), static_cast<int>(delay.level));
      const std::size_t at = d * task.part.pixels() + pixel;
      task.perPixel->perPixelG2[at] = static_cast<float>(g2 * factor * factor / (block * block * terms));
      task.perPixel->perPixelIP[at] = static_cast<float>(past * factor / (block * terms));
      task.perPixel->perPixelIF[at] = static_cast<float>(future * factor / (block * terms));
    }
  }
}

/// All pixels of one tile. `pixelMean` gets the tile's pixels (no other tile writes them).
template <class Sum, class Tile>
TileSums<Sum> correlate_tile(const TileTask& task, std::size_t tileIndex, const Tile& tile, TileScratch<Sum>& scratch,
                             std::vector<double>& pixelMean) {
  const Partition& part = task.part;
  const auto first = static_cast<std::uint32_t>(tileIndex * kTilePixels);
  const auto pixels = static_cast<std::uint32_t>(std::min<std::size_t>(kTilePixels, part.pixelOfRank.size() - first));
  const std::size_t D = task.scheme.delays.size();
  const std::size_t W = task.options.staticWindow > 0 ? task.frames / task.options.staticWindow : 0;
  sort_by_pixel(task, tile, pixels, scratch);

  TileSums<Sum> sums;
  for (std::uint32_t local = 0; local < pixels; ++local) {
    const std::uint32_t rank = first + local;
    const std::uint32_t q = part.dynamicOfRank[rank];
    const std::uint32_t s = part.staticOfRank[rank];
    if (sums.runs.empty() || sums.runs.back().dynamicBin != q || sums.runs.back().staticBin != s) {
      RunSums<Sum> run{.dynamicBin = q, .staticBin = s, .windows = std::vector<double>(W, 0.0)};
      if (part.correlated[rank] != 0) {
        run.g2.assign(D, Sum{0});
        run.intensity.assign(task.axis.sections(), Sum{0});
        run.pairs.assign(D, 0.0);
        run.ratio.assign(D, 0.0);
        run.ratio2.assign(D, 0.0);
      }
      sums.runs.push_back(std::move(run));
    }
    const std::size_t from = scratch.start[local];
    const std::size_t arrived = scratch.start[local + 1] - from;
    if (arrived == 0) continue;
    const std::size_t n = merge_frames(scratch, from, arrived);
    const std::span t(scratch.frame.data() + from, n);
    const std::span v(scratch.value.data() + from, n);
    const std::uint32_t pixel = part.pixelOfRank[rank];
    const double factor = task.options.pixelFactor.empty() ? 1.0 : task.options.pixelFactor[pixel];
    RunSums<Sum>& run = sums.runs.back();
    const double total = add_static<Sum>(task, t, v, factor, run);
    pixelMean[pixel] = total / (static_cast<double>(task.frames) * task.options.average);
    if (part.correlated[rank] != 0) add_pixel<Sum>(task, t, v, pixel, factor, scratch, run);
  }
  return sums;
}

}  // namespace xpcs
