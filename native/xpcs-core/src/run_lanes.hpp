// The sums over the pixels of a run whose curves come one after the other, in the lanes of tile_sums.hpp: the same bits as from curves that
// lie side by side, so that a result does not show how its tiles were correlated.
#pragma once
#include <array>
#include <vector>

#include "spread.hpp"
#include "tile_sums.hpp"
#include "tile_task.hpp"

namespace xpcs {

class RunLanes {
 public:
  /// The run is new; it has no sums over delays where it is not correlated.
  template <class Sum>
  void begin(const TileTask& task, const RunSums<Sum>& run) {
    delays_ = run.pairs.size();
    sums_.assign(kSumLanes * kArrays * delays_, 0.0);
    slots_ = delays_ > 0 ? group_slots(task.groups, run.staticBin) : 0;
    groups_of<Sum>().assign(delays_ * 3 * slots_, Sum{0});
  }
  /// Where the pixel of this number in the run adds delay d to the sums of its group: products; past and future `group_slots` behind.
  template <class Sum>
  [[nodiscard]] Sum* group(std::size_t number, std::size_t d) { return groups_of<Sum>().data() + d * 3 * slots_ + (number & (slots_ - 1)); }
  [[nodiscard]] std::size_t group_stride() const noexcept { return slots_; }
  /// Where the pixel of this number in the run adds its curve.
  [[nodiscard]] CurveSums of(std::size_t number) { return {at(number, kSpread), at(number, kPairs), at(number, kRatio), at(number, kRatio2)}; }
  /// And, where sums are real: products, past, future [D] each.
  [[nodiscard]] std::array<double*, 3> real(std::size_t number) { return {at(number, kReal), at(number, kReal + 1), at(number, kReal + 2)}; }

  /// The run's sums are complete. Of integers the exact sums give the pairs.
  template <class Sum>
  void end(const TileTask& task, RunSums<Sum>& run) {
    for (std::size_t d = 0; d < delays_; ++d) take_groups(task, d, groups_of<Sum>().data() + d * 3 * slots_, run);
    collect(kSpread, run.spread);
    collect(kRatio, run.ratio);
    collect(kRatio2, run.ratio2);
    if constexpr (std::is_same_v<Sum, double>) {
      collect(kPairs, run.pairs);
      collect(kReal, run.g2);
      collect(kReal + 1, run.past);
      collect(kReal + 2, run.future);
    } else {
      for (std::size_t d = 0; d < delays_; ++d) run.pairs[d] = static_cast<double>(run.g2[d]);
    }
  }

 private:
  enum : std::size_t { kSpread = 0, kPairs = 6, kRatio = 7, kRatio2 = 8, kReal = 9, kArrays = 12 };  // arrays of [D]

  [[nodiscard]] double* at(std::size_t number, std::size_t array) { return sums_.data() + (number % kSumLanes * kArrays + array) * delays_; }
  void collect(std::size_t array, std::vector<double>& out) {
    std::array<double, kSumLanes> lanes{};
    for (std::size_t i = 0; i < out.size(); ++i) {
      for (std::size_t lane = 0; lane < kSumLanes; ++lane) lanes[lane] = at(lane, array)[i];
      out[i] = add_lanes(lanes);
    }
  }

  template <class Sum>
  [[nodiscard]] std::vector<Sum>& groups_of() {
    if constexpr (std::is_same_v<Sum, double>) return realGroups_;
    else return wholeGroups_;
  }

  std::size_t delays_ = 0;
  std::size_t slots_ = 0;
  std::vector<double> sums_;  // [lanes, arrays, D]
  std::vector<Int128> wholeGroups_;  // [D, 3, slots], or
  std::vector<double> realGroups_;
};

}  // namespace xpcs
