// Tiles come in any order and at any pace, fail, or are canceled: the sums are those of the tiles in their order, and nobody waits for ever.
#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "tile_collector.hpp"

using namespace xpcs;

namespace {

constexpr std::size_t kTiles = 60;
constexpr unsigned kThreads[] = {1, 2, 5, 16};

/// One static bin and no delays: what a tile adds is its total.
struct Series {
  Partition part = make_partition(1, 1, std::vector<std::int32_t>{1}, std::vector<std::int32_t>{1}, SplitBins::error);
  CorrelatorOptions options;
  Scheme scheme{1, 8};
  EdgeTable edges{scheme};
  StopTable stops{scheme};
  GroupPlan groups{part};
  TileTask task{part, options, scheme, edges, stops, groups, nullptr, 1, nullptr};
};

/// Numbers whose sum shows the order in which they were added.
double total_of(std::size_t tile) { return tile % 3 == 0 ? 1e16 : tile % 3 == 1 ? 1.0 : -1e16; }

/// A tile takes its time, each round another.
std::vector<RunSums<double>> slow_tile(std::size_t tile, unsigned round) {
  std::this_thread::sleep_for(std::chrono::microseconds((tile * 7919 + round * 104729) % 13 == 0 ? 2000 : (tile * 31 + round) % 50));
  std::vector<RunSums<double>> runs(1);
  runs[0].total = total_of(tile);
  return runs;
}

}  // namespace

TEST_CASE("tiles add up in their order, whichever thread is first") {
  const Series series;
  double expected = 0;
  for (std::size_t tile = 0; tile < kTiles; ++tile) expected += total_of(tile);
  for (const unsigned threads : kThreads) {
    for (unsigned round = 0; round < 10; ++round) {
      TileCollector<double> collector(series.task, threads);
      collect_tiles(collector, kTiles, threads, [&](std::size_t tile, unsigned) { return slow_tile(tile, round); });
      REQUIRE(collector.sums().total[0] == expected);
    }
  }
}

TEST_CASE("a tile that fails ends the others, and its error is the answer") {
  const Series series;
  for (const unsigned threads : kThreads) {
    for (std::size_t bad = 0; bad < kTiles; bad += 7) {
      TileCollector<double> collector(series.task, threads);
      const auto run = [&] {
        collect_tiles(collector, kTiles, threads, [&](std::size_t tile, unsigned) {
          if (tile == bad) {
            std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the others go ahead and wait
            throw std::runtime_error("tile");
          }
          return slow_tile(tile, static_cast<unsigned>(bad));
        });
      };
      REQUIRE_THROWS_WITH_AS(run(), "tile", std::runtime_error);
    }
  }
}
