#include "event_store.hpp"

#include <algorithm>
#include <cmath>

namespace xpcs {
namespace {

/// First index of every tile's events, from their number per tile.
std::vector<std::uint32_t> starts(const std::vector<std::uint32_t>& sizes) {
  std::vector<std::uint32_t> start(sizes.size() + 1, 0);
  for (std::size_t i = 0; i < sizes.size(); ++i) start[i + 1] = start[i] + sizes[i];
  return start;
}

}  // namespace

IntegerBatch::IntegerBatch(std::uint32_t base, std::span<const std::uint32_t> frame, std::span<const std::uint32_t> rank,
                           std::span<const std::int64_t> count, std::size_t tiles)
    : base_(base) {
  const auto large = [](std::int64_t value) { return static_cast<std::uint64_t>(value) >= kEscape; };
  // One tile more takes what has no rank: no branch in the loops.
  const auto tile_of = [&](std::uint32_t r) { return std::min<std::size_t>(r >> kTileBits, tiles); };
  std::vector<std::uint32_t> sizes(tiles + 1, 0);
  std::size_t larges = 0;
  std::int64_t signs = 0;
  bool ordered = true;
  for (std::size_t i = 0; i < rank.size(); ++i) {
    ++sizes[tile_of(rank[i])];
    larges += large(count[i]) ? 1 : 0;
    signs |= count[i];
    ordered = ordered && frame[i] >= lastFrame_;
    lastFrame_ = frame[i];
  }
  plain_ = ordered && signs >= 0;
  start_ = starts(sizes);
  words_ = std::make_unique_for_overwrite<std::uint32_t[]>(rank.size());
  std::vector<std::uint32_t> next(start_.begin(), start_.end() - 1);
  for (std::size_t i = 0; i < rank.size(); ++i) {
    const std::uint32_t packed = large(count[i]) ? kEscape : static_cast<std::uint32_t>(count[i]);
    words_[next[tile_of(rank[i])]++] = (frame[i] - base) << kFrameShift | (rank[i] & (kTilePixels - 1)) << kRankShift | packed;
  }
  if (larges == 0) return;
  std::vector<std::uint32_t> largeSizes(tiles + 1, 0);
  for (std::size_t i = 0; i < rank.size(); ++i) largeSizes[tile_of(rank[i])] += large(count[i]) ? 1U : 0U;
  largeStart_ = starts(largeSizes);
  large_.resize(larges);
  std::vector<std::uint32_t> nextLarge(largeStart_.begin(), largeStart_.end() - 1);
  for (std::size_t i = 0; i < rank.size(); ++i) {
    if (large(count[i])) large_[nextLarge[tile_of(rank[i])]++] = count[i];
  }
}

double IntegerBatch::magnitude(std::size_t tile) const {
  double sum = static_cast<double>(size(tile)) * kEscape;
  if (largeStart_.empty()) return sum;
  for (std::size_t i = largeStart_[tile]; i < largeStart_[tile + 1]; ++i) sum += std::abs(static_cast<double>(large_[i]));
  return sum;
}

RealBatch::RealBatch(std::span<const Event> events, std::size_t tiles) : events_(events.size()) {
  std::vector<std::uint32_t> sizes(tiles, 0);
  for (const Event& event : events) ++sizes[event.rank >> kTileBits];
  start_ = starts(sizes);
  std::vector<std::uint32_t> next(start_.begin(), start_.end() - 1);
  for (const Event& event : events) events_[next[event.rank >> kTileBits]++] = event;
}

}  // namespace xpcs
