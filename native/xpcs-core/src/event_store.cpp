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

std::pair<std::int64_t, std::uint64_t> PackedEvents::add(std::uint32_t frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count,
                                                         const std::uint32_t* rankOfPixel) {
  const auto none = static_cast<std::uint32_t>(sizes.size() - 1);
  const std::uint32_t high = (frame - base) << IntegerBatch::kFrameShift;
  std::uint32_t* const words = word.data() + n;
  std::uint32_t* const tiles = tile.data() + n;
  constexpr std::size_t kAhead = 24;
  const std::size_t last = pixel.size() - 1;
  std::int64_t gained = 0;
  std::uint64_t valid = 0;
  for (std::size_t i = 0; i < pixel.size(); ++i) {
    // The table of ranks is larger than the nearer caches, and each frame goes through all of it.
    __builtin_prefetch(rankOfPixel + pixel[std::min(i + kAhead, last)]);
    const std::uint32_t rank = rankOfPixel[pixel[i]];
    const std::uint32_t to = std::min(rank >> kTileBits, none);
    const std::int64_t counts = rank != kNoRank ? 1 : 0;
    std::uint32_t packed = static_cast<std::uint32_t>(count[i]);
    if (static_cast<std::uint64_t>(count[i]) >= IntegerBatch::kEscape) {
      packed = IntegerBatch::kEscape;
      large.emplace_back(to, count[i]);
      plain = plain && count[i] >= 0;
    }
    words[i] = high | (rank & (kTilePixels - 1)) << IntegerBatch::kRankShift | packed;
    tiles[i] = to;
    ++sizes[to];
    gained += count[i] & -counts;
    valid += static_cast<std::uint64_t>(counts);
  }
  n += pixel.size();
  plain = plain && frame >= lastFrame;
  lastFrame = frame;
  return {gained, valid};
}

IntegerBatch::IntegerBatch(const PackedEvents& events) : base_(events.base), plain_(events.plain), lastFrame_(events.lastFrame), start_(starts(events.sizes)) {
  words_ = std::make_unique_for_overwrite<std::uint32_t[]>(events.n);
  std::vector<std::uint32_t> next(start_.begin(), start_.end() - 1);
  for (std::size_t i = 0; i < events.n; ++i) words_[next[events.tile[i]]++] = events.word[i];
  if (events.large.empty()) return;
  std::vector<std::uint32_t> sizes(events.sizes.size(), 0);
  for (const auto& [tile, count] : events.large) ++sizes[tile];
  largeStart_ = starts(sizes);
  large_.resize(events.large.size());
  std::vector<std::uint32_t> nextLarge(largeStart_.begin(), largeStart_.end() - 1);
  for (const auto& [tile, count] : events.large) large_[nextLarge[tile]++] = count;
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
