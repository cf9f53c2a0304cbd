// What a stream keeps of one tile after its first frames: the sums of products of all settled blocks, the totals, the counts before
// each delay, and the recent past, coarser with age. The photons that it needs one by one lie beside it (stream_tile.hpp).
#pragma once
#include <cstdint>
#include <vector>

#include "kept_level.hpp"

namespace xpcs {

/// Total holds the sum of a pixel's counts, Product its square.
template <class TotalType, class ProductType>
struct TileState {
  using Total = TotalType;
  using Product = ProductType;
  /// The blocks of all levels come from photons.
  static constexpr std::uint32_t kNoLevels = 31;

  std::uint64_t frames = 0;          ///< that it covers
  std::uint32_t fine = kNoLevels;    ///< levels before this one are not kept
  std::vector<Product> products;     ///< [D, kTilePixels]
  std::vector<Total> head;           ///< [delays up to frames, kTilePixels] counts of the frames before the delay
  std::vector<Total> total;          ///< [kTilePixels]; this and all others empty while frames is 0
  std::vector<double> magnitude;     ///< [kTilePixels] sum of the magnitudes of the counts; a wide state's
  std::vector<double> windowStart;   ///< per run: its total where the open window begins
  std::vector<KeptLevel> levels;     ///< those before `fine` empty

  TileState() = default;
  template <class Narrow, class NarrowProduct>
  explicit TileState(const TileState<Narrow, NarrowProduct>& from)
      : frames(from.frames), fine(from.fine), products(from.products.begin(), from.products.end()), head(from.head.begin(), from.head.end()),
        total(from.total.begin(), from.total.end()), magnitude(from.total.begin(), from.total.end()), windowStart(from.windowStart), levels(from.levels) {}

  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = products.capacity() * sizeof(Product) + (head.capacity() + total.capacity()) * sizeof(Total) + (windowStart.capacity() + magnitude.capacity()) * sizeof(double) +
                      levels.capacity() * sizeof(KeptLevel);
    for (const KeptLevel& level : levels) sum += level.bytes();
    return sum;
  }
};

/// Length of a vector that grows seldom and keeps little more than it holds.
template <class T>
void resize_exactly(std::vector<T>& values, std::size_t n) {
  if (n > values.capacity()) values.reserve(n);
  values.resize(n);
}

}  // namespace xpcs
