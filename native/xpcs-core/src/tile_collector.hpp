// The sums of whole bins, from the tiles as they are done: always added in the order of the tiles, so that no sum shows which thread was first,
// and with few tiles held back at a time.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "threads.hpp"
#include "tile_task.hpp"

namespace xpcs {

/// Sums over whole static and dynamic bins.
template <class Sum>
struct BinSums {
  std::vector<Sum> g2, past, future;        // [S, D]
  std::vector<double> spread;               // [S, 6, D]
  std::vector<double> pairs, ratio, ratio2;  // [Q, D]
  std::vector<double> total;                // [S]
  std::vector<double> windows;              // [W, S]
  std::vector<double> groups;               // of each static bin [D, 3, groups]
};

template <class Sum>
class TileCollector {
 public:
  /// Tiles that may wait for an earlier one, so that no thread stands still for one that takes a little longer.
  static constexpr std::size_t ahead(unsigned threads) { return std::max<std::size_t>(8, std::size_t{2} * threads); }

  TileCollector(const TileTask& task, unsigned threads)
      : task_(task),
        ahead_(ahead(threads)),
        sums_{std::vector<Sum>(statics() * delays(), Sum{0}), std::vector<Sum>(statics() * delays(), Sum{0}), std::vector<Sum>(statics() * delays(), Sum{0}),
              std::vector<double>(statics() * 6 * delays(), 0.0), std::vector<double>(dynamics() * delays(), 0.0), std::vector<double>(dynamics() * delays(), 0.0),
              std::vector<double>(dynamics() * delays(), 0.0), std::vector<double>(statics(), 0.0), std::vector<double>(task.windows() * statics(), 0.0),
              std::vector<double>(3 * delays() * task.groups.begin.back(), 0.0)} {}

  /// Takes a tile; on any thread. Tiles are begun in their order, so the one that others wait for is always in work.
  void add(std::size_t tile, std::vector<RunSums<Sum>> runs) {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return failed_ || tile < next_ + ahead_; });
    waiting_.emplace(tile, std::move(runs));
    for (auto first = waiting_.begin(); first != waiting_.end() && first->first == next_; first = waiting_.begin()) {
      for (const RunSums<Sum>& run : first->second) collect(run);
      waiting_.erase(first);
      ++next_;
    }
    moved_.notify_all();
  }

  /// A tile will not come: nobody waits for it.
  void give_up() {
    const std::scoped_lock lock(mutex_);
    failed_ = true;
    moved_.notify_all();
  }

  /// When all tiles are in.
  [[nodiscard]] const BinSums<Sum>& sums() const noexcept { return sums_; }

 private:
  [[nodiscard]] std::size_t statics() const { return task_.part.staticBins; }
  [[nodiscard]] std::size_t dynamics() const { return task_.part.dynamicBins; }
  [[nodiscard]] std::size_t delays() const { return task_.scheme.delays.size(); }

  void collect(const RunSums<Sum>& run) {
    const auto add = [](auto& into, std::size_t at, const auto& from) {
      for (std::size_t i = 0; i < from.size(); ++i) into[at + i] += from[i];
    };
    const std::size_t s = run.staticBin;
    const std::size_t q = run.dynamicBin;
    const std::size_t D = delays();
    sums_.total[s] += run.total;
    for (std::size_t w = 0; w < run.windows.size(); ++w) sums_.windows[w * statics() + s] += run.windows[w];
    add(sums_.g2, s * D, run.g2);
    add(sums_.past, s * D, run.past);
    add(sums_.future, s * D, run.future);
    add(sums_.spread, s * 6 * D, run.spread);
    add(sums_.pairs, q * D, run.pairs);
    add(sums_.ratio, q * D, run.ratio);
    add(sums_.ratio2, q * D, run.ratio2);
    const std::size_t inRun = D > 0 ? run.groups.size() / (3 * D) : 0;
    double* groups = sums_.groups.data() + 3 * D * task_.groups.begin[s] + run.firstGroup;
    for (std::size_t row = 0; row < 3 * D && inRun > 0; ++row) {
      for (std::size_t k = 0; k < inRun; ++k) groups[row * task_.groups.groups[s] + k] += run.groups[row * inRun + k];
    }
  }

  const TileTask& task_;
  std::size_t ahead_;
  BinSums<Sum> sums_;
  std::mutex mutex_;
  std::condition_variable moved_;
  std::map<std::size_t, std::vector<RunSums<Sum>>> waiting_;
  std::size_t next_ = 0;
  bool failed_ = false;
};

/// Runs correlate(tile, worker), which gives the tile's runs, for every tile on all threads.
template <class Sum, class Correlate>
void collect_tiles(TileCollector<Sum>& collector, std::size_t tiles, unsigned threads, Correlate correlate) {
  parallel_for(tiles, threads, [&](std::size_t tile, unsigned worker) {
    try {
      collector.add(tile, correlate(tile, worker));
    } catch (...) {
      collector.give_up();
      throw;
    }
  });
}

}  // namespace xpcs
