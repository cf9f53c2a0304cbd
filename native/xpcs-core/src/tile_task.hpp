// What every way of correlating a tile of pixels starts from and ends in.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "event_store.hpp"
#include "lag_groups.hpp"
#include "scheme.hpp"
#include "stop_table.hpp"
#include "tile_sums.hpp"
#include "xpcs/correlator.hpp"
#include "xpcs/moments.hpp"

namespace xpcs {

struct TileTask {
  const Partition& part;
  const CorrelatorOptions& options;
  const Scheme& scheme;
  const EdgeTable& edges;
  const StopTable& stops;
  const GroupPlan& groups;
  const std::vector<double>* weights;  ///< per frame, or none: one over what it is divided by
  std::uint64_t frames;
  CorrelationResult* perPixel;  ///< where per-pixel curves go, or none
  double scale = 1;             ///< the mean of what frames are divided by: all values times it

  [[nodiscard]] std::size_t windows() const noexcept { return options.staticWindow > 0 ? frames / options.staticWindow : 0; }
  [[nodiscard]] double factor(std::uint32_t pixel) const { return options.pixelFactor.empty() ? 1.0 : options.pixelFactor[pixel]; }
  /// Counts per frame of the file, from the sum over the series.
  [[nodiscard]] double per_frame(double total) const { return total / (static_cast<double>(frames) * options.average); }
};

/// Of a frame that is divided by this number; none where it is 0.
inline double frame_weight(double divisor) { return divisor != 0 ? 1 / divisor : 0; }

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
  std::vector<double> groups{};  // [D, 3, groups of the static bin in this tile, from firstGroup on] products, past, future
  std::size_t firstGroup = 0;
};

template <class Sum>
RunSums<Sum> new_run(const TileTask& task, std::uint32_t rank) {
  const std::size_t D = task.scheme.delays.size();
  RunSums<Sum> run{.dynamicBin = task.part.dynamicOfRank[rank], .staticBin = task.part.staticOfRank[rank], .windows = std::vector<double>(task.windows(), 0.0)};
  if (task.part.correlated[rank] == 0) return run;
  for (auto* sums : {&run.g2, &run.past, &run.future}) sums->assign(D, Sum{0});
  for (auto* sums : {&run.pairs, &run.ratio, &run.ratio2}) sums->assign(D, 0.0);
  run.spread.assign(6 * D, 0.0);
  run.groups.assign(3 * D * task.groups.perTile[run.staticBin], 0.0);
  run.firstGroup = task.groups.first(run.staticBin, rank);
  return run;
}

static_assert(kGroupsMax <= kSlotsMax);
/// Slots that add up the groups of a static bin in one tile (tile_sums.hpp).
inline std::size_t group_slots(const GroupPlan& plan, std::uint32_t staticBin) { return std::max<std::size_t>(kSumLanes, plan.perTile[staticBin]); }

/// The groups' sums of a run at one delay from its slots. Slot: int64, Int128 or double.
/// @param sums [3, slots], in slots pixel i of the run in slot i mod slots
template <class Sum, class Slot>
void take_groups(const TileTask& task, std::size_t d, const Slot* sums, RunSums<Sum>& run) {
  const std::size_t groups = task.groups.perTile[run.staticBin];
  const std::size_t slots = group_slots(task.groups, run.staticBin);
  for (std::size_t k = 0; k < 3; ++k) {
    double* to = run.groups.data() + (3 * d + k) * groups;
    for (std::size_t g = 0; g < groups; ++g) {
      Slot sum = sums[k * slots + g];
      for (std::size_t slot = g + groups; slot < slots; slot += groups) sum += sums[k * slots + slot];
      to[g] = static_cast<double>(sum);
    }
  }
}

/// The first rank behind `rank`, up to `end`, that lies in another run.
inline std::uint32_t run_end(const Partition& part, std::uint32_t rank, std::uint32_t end) {
  std::uint32_t to = rank + 1;
  while (to < end && part.dynamicOfRank[to] == part.dynamicOfRank[rank] && part.staticOfRank[to] == part.staticOfRank[rank]) ++to;
  return to;
}

/// The pixels of one run, and its windows that are over.
struct RunWindows {
  std::uint32_t from, to;
  double before = 0;  ///< total where the open window begins
  std::vector<double> windows{};

  /// The open window ends at this total.
  void close(double total) {
    windows.push_back(total - before);
    before = total;
  }
};
/// Of a tile, its pixels counted from its first.
inline std::vector<RunWindows> run_windows(const Partition& part, std::uint32_t first, std::uint32_t pixels) {
  std::vector<RunWindows> runs;
  for (std::uint32_t p = 0; p < pixels; p = runs.back().to) runs.push_back({p, run_end(part, first + p, first + pixels) - first});
  return runs;
}

/// One delay of a pixel's curve as it goes into the result, from its sums with the flatfield.
inline void write_curve(const TileTask& task, std::size_t d, std::uint32_t pixel, double products, double past, double future) {
  const Delay& delay = task.scheme.delays[d];
  const auto terms = static_cast<double>(delay.terms);
  const double block = std::ldexp(static_cast<double>(task.options.average), static_cast<int>(delay.level));
  const std::size_t at = d * task.part.pixels() + pixel;
  task.perPixel->perPixelG2[at] = static_cast<float>(products / (block * block * terms));
  task.perPixel->perPixelIP[at] = static_cast<float>(past / (block * terms));
  task.perPixel->perPixelIF[at] = static_cast<float>(future / (block * terms));
}

}  // namespace xpcs
