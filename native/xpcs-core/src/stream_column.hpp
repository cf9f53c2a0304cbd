// One pixel of a stream by itself: its photons, and the blocks that are kept of those before, to the products of the blocks that
// this part of the stream adds, and to the blocks that are kept of it. For what the tile engine does not take (count_tile.hpp).
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "event_store.hpp"
#include "tile_state.hpp"

namespace xpcs {

struct ColumnEntry {
  std::uint64_t block;
  std::int64_t count;
};

/// Reused from pixel to pixel.
struct ColumnScratch {
  std::vector<ColumnEntry> photons;  ///< of the pixel, by frame, those of one frame added up
  std::vector<ColumnEntry> blocks, next;
};

/// A state's past, as far as a column needs it.
struct ColumnPast {
  const StreamScheme& stream;
  std::uint64_t frames;
  std::uint32_t fine;
  const std::vector<KeptLevel>& levels;
};

/// Where the blocks of a level go that are kept.
struct ColumnKeep {
  std::uint64_t frames;
  std::uint32_t fine;
  std::vector<KeptLevel>* levels;
};

/// @param scheme levelEnd says up to where blocks count @param keep null: nothing is kept
/// @param products [D], one every kTilePixels, gets the sums of the blocks behind the past's settled ones. Changes scratch.photons.
template <class Product>
void walk_column(const Scheme& scheme, const ColumnPast& past, std::uint32_t pixel, ColumnScratch& scratch, Product* products, const ColumnKeep* keep) {
  const std::uint32_t lagMax = past.stream.lag_max();
  auto& blocks = scratch.blocks;
  auto& coming = scratch.photons;  // of the level, from the photons of this part
  for (std::uint32_t level = 0; level < scheme.levels; ++level) {
    const std::uint64_t from = StreamScheme::settled(level, past.frames);
    const std::uint64_t end = scheme.levelEnd[level] >> level;
    blocks.clear();
    if (level >= past.fine && level < past.levels.size()) {
      const std::int64_t waiting = level == past.fine ? 0 : static_cast<std::int64_t>(StreamScheme::received(level, past.frames) - from);
      for (std::int64_t b = -static_cast<std::int64_t>(std::min<std::uint64_t>(from, lagMax)); b < waiting; ++b) {
        const std::int64_t count = past.levels[level].get(b, pixel);
        if (count != 0) blocks.push_back({from + static_cast<std::uint64_t>(b), count});
      }
    }
    for (const ColumnEntry& entry : coming) {
      if (level < past.fine || entry.block >= from) blocks.push_back(entry);
    }
    const std::uint32_t lagMin = past.stream.lag_min(level);
    const auto begin = std::partition_point(blocks.begin(), blocks.end(), [&](const ColumnEntry& entry) { return entry.block < from; });
    for (auto later = begin; later != blocks.end() && later->block < end; ++later) {
      for (auto earlier = later; earlier != blocks.begin();) {
        --earlier;
        const std::uint64_t k = later->block - earlier->block;
        if (k > lagMax) break;
        const std::size_t at = k < lagMin ? scheme.delays.size() : scheme.index(level, k);
        if (at < scheme.delays.size()) products[at * kTilePixels] += static_cast<Product>(later->count) * static_cast<Product>(earlier->count);
      }
    }
    if (keep != nullptr && level >= keep->fine) {
      KeptLevel& kept = (*keep->levels)[level];
      for (std::int64_t b = -std::int64_t{lagMax}; b < std::int64_t{StreamScheme::kWaiting}; ++b) kept.set(b, pixel, 0);
      const std::uint64_t until = level == keep->fine ? end : StreamScheme::received(level, keep->frames);
      for (const ColumnEntry& entry : blocks) {
        if (entry.block + lagMax >= end && entry.block < until) kept.set(static_cast<std::int64_t>(entry.block) - static_cast<std::int64_t>(end), pixel, entry.count);
      }
    }
    // What counts here makes the blocks of the next level; those before the kept ones are there already.
    scratch.next.clear();
    for (const ColumnEntry& entry : blocks) {
      if (entry.block >= (end & ~std::uint64_t{1}) || (level >= past.fine && entry.block < from)) continue;
      if (!scratch.next.empty() && scratch.next.back().block == entry.block / 2) scratch.next.back().count += entry.count;
      else scratch.next.push_back({entry.block / 2, entry.count});
    }
    coming.swap(scratch.next);
  }
}

}  // namespace xpcs
