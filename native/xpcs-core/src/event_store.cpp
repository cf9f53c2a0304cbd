#include "event_store.hpp"

#include <algorithm>
#include <cmath>

#include "event_packing.hpp"

namespace xpcs {
namespace {

/// First index of every tile's events, from their number per tile.
std::vector<std::uint32_t> starts(const std::vector<std::uint32_t>& sizes) {
  std::vector<std::uint32_t> start(sizes.size() + 1, 0);
  for (std::size_t i = 0; i < sizes.size(); ++i) start[i + 1] = start[i] + sizes[i];
  return start;
}

}  // namespace

void PackedEvents::begin(std::uint32_t first, std::size_t tiles, bool crowd) {
  base = first;
  n = 0;
  crowded = crowd;
  runs.clear();
  even.assign(tiles + 1, 0);
  odd.assign(tiles + 1, 0);
  large.clear();
  plain = true;
  lastFrame = 0;
}

void PackedEvents::reserve(std::size_t more) {
  const auto grow = [&](auto& words, auto& tiles) {
    if (words.size() >= n + more) return;
    const std::size_t size = std::max(n + more, words.size() + words.size() / 2);
    words.resize(size);
    tiles.resize(size);
  };
  if (crowded) grow(shortWord, shortTile);
  else grow(word, tile);
}

template <class Count>
std::pair<std::int64_t, std::uint64_t> PackedEvents::add(std::uint32_t frame, std::size_t events, std::span<const std::uint32_t> pixel, const Count* count,
                                                         const std::uint32_t* rankOfPixel) {
  const auto none = static_cast<std::uint32_t>(even.size() - 1);
  const auto pack = [&](auto& words, auto& tiles, std::uint32_t high, auto into, const auto* counts) {
    return into({pixel.data(), events, pixel.size() - events, rankOfPixel, high, none, words.data() + n, tiles.data() + n, even.data(), odd.data()}, counts);
  };
  Packed packed;
  const std::uint32_t high = (frame - base) << IntegerBatch::kFrameShift;
  if constexpr (sizeof(Count) == 2) {
    const auto* counts = reinterpret_cast<const std::uint16_t*>(count);
    packed = crowded ? pack(shortWord, shortTile, 0, event_packing().pack_crowded, counts) : pack(word, tile, high, event_packing().pack_short, counts);
  } else {
    packed = pack(word, tile, high, event_packing().pack, count);
  }
  for (std::size_t i = 0; packed.escapes > 0; ++i) {
    const std::uint32_t held = crowded ? shortWord[n + i] : word[n + i];
    if ((held & IntegerBatch::kEscape) != IntegerBatch::kEscape) continue;
    large.emplace_back(crowded ? shortTile[n + i] : tile[n + i], count[i]);
    plain = plain && count[i] >= 0;
    if (rankOfPixel[pixel[i]] != kNoRank) packed.gained += count[i] - std::int64_t{IntegerBatch::kEscape};
    --packed.escapes;
  }
  if (crowded) runs.push_back({frame, n + events});
  n += events;
  plain = plain && frame >= lastFrame;
  lastFrame = frame;
  return {packed.gained, packed.valid};
}

template std::pair<std::int64_t, std::uint64_t> PackedEvents::add(std::uint32_t, std::size_t, std::span<const std::uint32_t>, const std::int64_t*, const std::uint32_t*);
template std::pair<std::int64_t, std::uint64_t> PackedEvents::add(std::uint32_t, std::size_t, std::span<const std::uint32_t>, const std::int16_t*, const std::uint32_t*);
template std::pair<std::int64_t, std::uint64_t> PackedEvents::add(std::uint32_t, std::size_t, std::span<const std::uint32_t>, const std::uint16_t*, const std::uint32_t*);

IntegerBatch::IntegerBatch(const PackedEvents& events) : base_(events.base), plain_(events.plain), lastFrame_(events.lastFrame) {
  std::vector<std::uint32_t> sizes(events.even);
  marks_ = static_cast<std::uint32_t>(events.runs.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] += events.odd[i] + marks_;
  start_ = starts(sizes);
  if (events.crowded) fill_crowded(events);
  else fill_words(events);
  if (events.large.empty()) return;
  sizes.assign(sizes.size(), 0);
  for (const auto& [at, count] : events.large) ++sizes[at];
  largeStart_ = starts(sizes);
  large_.resize(events.large.size());
  std::vector<std::uint32_t> nextLarge(largeStart_.begin(), largeStart_.end() - 1);
  for (const auto& [at, count] : events.large) large_[nextLarge[at]++] = count;
}

// In both, locals: the stores could otherwise change what the loop reads.

void IntegerBatch::fill_words(const PackedEvents& events) {
  words_ = std::make_unique_for_overwrite<std::uint32_t[]>(events.n);
  std::vector<std::uint32_t> next(start_.begin(), start_.end() - 1);
  std::uint32_t* const words = words_.get();
  std::uint32_t* const place = next.data();
  const std::uint32_t* const tile = events.tile.data();
  const std::uint32_t* const word = events.word.data();
  for (std::size_t i = 0, n = events.n; i < n; ++i) words[place[tile[i]]++] = word[i];
}

void IntegerBatch::fill_crowded(const PackedEvents& events) {
  crowded_ = std::make_unique_for_overwrite<std::uint16_t[]>(start_.back());
  std::vector<std::uint32_t> next(start_.begin(), start_.end() - 1);
  std::uint16_t* const words = crowded_.get();
  std::uint32_t* const place = next.data();
  const std::uint16_t* const tile = events.shortTile.data();
  const std::uint16_t* const word = events.shortWord.data();
  std::uint32_t frame = base_;
  std::size_t i = 0;
  for (const PackedEvents::Run& run : events.runs) {
    const auto mark = static_cast<std::uint16_t>((run.frame - frame) << kRankShift);
    frame = run.frame;
    for (std::size_t at = 0, tiles = next.size(); at < tiles; ++at) words[place[at]++] = mark;
    for (; i < run.end; ++i) words[place[tile[i]]++] = word[i];
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
