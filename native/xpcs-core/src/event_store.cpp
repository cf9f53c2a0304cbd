#include "event_store.hpp"

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

IntegerBatch::IntegerBatch(std::uint32_t base, std::span<const Event> events, std::size_t tiles) : base_(base), words_(events.size()) {
  const auto small = [](std::int64_t count) { return count >= 0 && count < kEscape; };
  std::vector<std::uint32_t> sizes(tiles, 0);
  std::size_t larges = 0;
  for (const Event& event : events) {
    ++sizes[event.rank >> kTileBits];
    larges += small(event.count) ? 0 : 1;
  }
  start_ = starts(sizes);
  std::vector<std::uint32_t> next(start_.begin(), start_.end() - 1);
  for (const Event& event : events) {
    const std::uint32_t count = small(event.count) ? static_cast<std::uint32_t>(event.count) : kEscape;
    words_[next[event.rank >> kTileBits]++] = (event.frame - base) << 16 | (event.rank & (kTilePixels - 1)) << 5 | count;
  }
  if (larges == 0) return;
  std::vector<std::uint32_t> largeSizes(tiles, 0);
  for (const Event& event : events) largeSizes[event.rank >> kTileBits] += small(event.count) ? 0U : 1U;
  largeStart_ = starts(largeSizes);
  large_.resize(larges);
  std::vector<std::uint32_t> nextLarge(largeStart_.begin(), largeStart_.end() - 1);
  for (const Event& event : events) {
    if (!small(event.count)) large_[nextLarge[event.rank >> kTileBits]++] = event.count;
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
