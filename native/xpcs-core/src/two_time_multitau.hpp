// Multi-tau two-time correlation: means of C2 over blocks of frames that grow with the lag (docs/twotime.md), without the matrix.
// Tile of pixels by tile of pixels: the normalised frames pass once, level by level; the tiles are added up in order, so the sums
// do not depend on the threads.
#pragma once
#include <algorithm>
#include <exception>

#include "ordered_pool.hpp"
#include "two_time_scales.hpp"
#include "two_time_store.hpp"
#include "xpcs/delays.hpp"

namespace xpcs::twotime {

/// The values of a tile's pixels in one block of frames: those that are not 0 while they are few, else all.
struct Block {
  bool full = false;
  std::vector<std::uint32_t> place;  ///< pixel within the tile, ascending; empty where full
  std::vector<double> value;
};

/// Pixels that are correlated at once.
constexpr std::uint32_t kTilePixels = 8192;

/// One row of values for each delay.
using DelayRows = std::vector<std::vector<double>>;

/// Takes the normalised frames of one tile in order and gives sum over its pixels of y(i) y(i + lag) for every delay.
class TileStream {
 public:
  TileStream(std::uint32_t pixels, const std::vector<Delay>& delays);
  void push(Block frame) { add(0, std::move(frame)); }
  [[nodiscard]] DelayRows& rows() noexcept { return rows_; }
  /// Whether so many values are kept as all.
  [[nodiscard]] bool full(std::size_t values) const noexcept { return values > pixels_ / 4; }

 private:
  struct Level {
    std::vector<std::size_t> delays;
    std::vector<Block> ring;  // the newest blocks, by number modulo size
    std::uint64_t next = 0;
  };
  void add(std::size_t level, Block block);
  [[nodiscard]] double product(const Block& older, const Block& newer) const;
  [[nodiscard]] Block mean(const Block& a, const Block& b) const;

  std::uint32_t pixels_;
  const std::vector<Delay>& delays_;
  std::vector<Level> levels_;
  std::vector<double> spread_;  // [pixels] the newest block where it is not full, else 0
  DelayRows rows_;
};

/// Edges of the bins of age, in frames: every frame up to 2 dpl, then dpl bins of each doubled width. The last is beyond the series.
std::vector<std::uint64_t> age_edges(std::uint64_t frames, std::uint32_t dpl);

/// Adds the rows of one bin to the result: values, means over all ages, means by age.
void finish_multitau_bin(const DelayRows& rows, std::size_t bins, std::size_t bin, MultitauTwoTime& out);

/// Bytes that the analysis takes beside the photons.
std::uint64_t multitau_bytes(std::uint64_t frames, std::uint64_t pixels, std::uint64_t bins, std::uint32_t dpl, unsigned threads);

/// The factors of a bin in one frame.
struct FrameFactors {
  const std::vector<Group>& groups;
  const Scales& scales;
  std::size_t binIndex;
  std::uint64_t frames;
  [[nodiscard]] double of(std::uint32_t group, std::uint64_t t) const { return scales.outer[binIndex * frames + t] * scales.inner[std::size_t{group} * frames + t]; }
};

/// Frame t of a tile, normalised.
template <class V>
Block tile_frame(const FrameStore<V>& store, const Bin& bin, const FrameFactors& factors, std::uint64_t t, std::uint32_t first, std::uint32_t end) {
  const auto& frame = store.frames()[t];
  Block block;
  std::uint32_t g = bin.firstGroup;
  const auto factor_of = [&](std::uint32_t rank) {
    while (rank >= factors.groups[g].end) ++g;
    return factors.of(g, t);
  };
  if (frame.row != nullptr) {
    block.full = true;
    block.value.resize(end - first);
    for (std::uint32_t rank = first; rank < end;) {
      const double factor = factor_of(rank);
      for (const std::uint32_t to = std::min(end, factors.groups[g].end); rank < to; ++rank) block.value[rank - first] = factor * static_cast<double>(frame.row[rank]);
    }
    return block;
  }
  const Event<V>* const stop = frame.events + frame.n;
  const Event<V>* event = std::lower_bound(static_cast<const Event<V>*>(frame.events), stop, first, [](const Event<V>& a, std::uint32_t rank) { return a.rank < rank; });
  for (; event != stop && event->rank < end; ++event) {
    block.place.push_back(event->rank - first);
    block.value.push_back(factor_of(event->rank) * static_cast<double>(event->value));
  }
  return block;
}

/// The rows of one bin: [terms] for each delay, the sum over its pixels.
template <class V>
DelayRows multitau_bin(const FrameStore<V>& store, const Bin& bin, const FrameFactors& factors, const std::vector<Delay>& delays, unsigned threads, const Control& control) {
  struct Tile {
    std::uint32_t first, end;
    DelayRows rows;
    std::exception_ptr failure;
  };
  OrderedPool<Tile> pool(threads, [&](Tile& tile, unsigned) {
    try {
      TileStream stream(tile.end - tile.first, delays);
      for (std::uint64_t t = 0; t < factors.frames; ++t) {
        if (t % 1024 == 0) control.check();
        stream.push(tile_frame(store, bin, factors, t, tile.first, tile.end));
      }
      tile.rows = std::move(stream.rows());
    } catch (...) {
      tile.failure = std::current_exception();
    }
  });
  DelayRows rows;
  const auto collect = [&] {
    const auto tile = pool.pop();
    if (tile->failure) std::rethrow_exception(tile->failure);
    if (rows.empty()) {
      rows = std::move(tile->rows);
      return;
    }
    for (std::size_t d = 0; d < rows.size(); ++d) {
      for (std::size_t i = 0; i < rows[d].size(); ++i) rows[d][i] += tile->rows[d][i];
    }
  };
  for (std::uint32_t first = bin.first; first < bin.end; first += std::min(kTilePixels, bin.end - first)) {
    while (pool.size() > threads) collect();
    pool.push(std::make_unique<Tile>(Tile{first, first + std::min(kTilePixels, bin.end - first), {}, {}}));
  }
  while (pool.size() > 0) collect();
  return rows;
}

}  // namespace xpcs::twotime
