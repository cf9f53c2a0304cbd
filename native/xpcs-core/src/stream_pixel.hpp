// What a stream keeps of one pixel with many photons: the running sums of products, the counts between one delay and the next
// from the first frame on, and the recent past, coarser with age: as fine as a pair or an edge may still need it. All that
// g2 and its errors need of the pixel follows for any number of frames.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "scheme.hpp"
#include "stream_scheme.hpp"

namespace xpcs {

/// One block of frames that holds photons; `frame` is any frame inside it.
template <class Value>
struct StreamBlock {
  std::uint32_t frame;
  Value count;
};

/// Value holds the sum of the pixel's counts, Product its square.
template <class Value, class Product>
struct PixelState {
  using Block = StreamBlock<Value>;
  std::vector<Product> products;  ///< [delays] pairs of photons whose later one may lie in a block that is not complete yet
  std::vector<Value> head;        ///< [delays + 1] counts in the frames that exactly so many delays precede
  std::vector<Block> history;     ///< newest first
  Value magnitude{0};             ///< sum of the magnitudes of the counts

  PixelState() = default;
  template <class Narrow, class NarrowProduct>
  explicit PixelState(const PixelState<Narrow, NarrowProduct>& from)
      : products(from.products.begin(), from.products.end()), head(from.head.begin(), from.head.end()), magnitude(from.magnitude) {
    for (const auto& block : from.history) history.push_back({block.frame, block.count});
  }

  /// Bytes with what the allocator adds to four pieces.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sizeof *this + products.capacity() * sizeof(Product) + head.capacity() * sizeof(Value) + history.capacity() * sizeof(Block) + 4 * 16;
  }
  /// The same at most, for series of so many levels.
  [[nodiscard]] static std::size_t bytes_max(const StreamScheme& scheme, std::uint32_t levels) noexcept {
    const std::size_t delays = scheme.delays(levels);
    return sizeof(PixelState) + delays * sizeof(Product) + (delays + 1) * sizeof(Value) + scheme.history(levels) * sizeof(Block) + 4 * 16;
  }
};

/// Reused from pixel to pixel.
template <class Value>
struct FoldScratch {
  std::vector<StreamBlock<Value>> blocks, history;
};

/// Length of a vector that grows seldom and keeps little more than it holds.
template <class T>
void resize_exactly(std::vector<T>& values, std::size_t n) {
  if (n > values.capacity()) values.reserve(n);
  values.resize(n);
}

/// Coarsens the past to what the frames from `now` on may need, new photons first: a block keeps resolution L while its level-L
/// block lies within the lag window of the newest one, and leaves the history when it lies outside the window of every level.
/// @param t, v the new photons, ascending
template <class Value, class Product>
void age_history(PixelState<Value, Product>& state, const StreamScheme& scheme, std::span<const std::uint32_t> t, std::span<const std::int64_t> v,
                 std::uint32_t now, FoldScratch<Value>& scratch) {
  auto& kept = scratch.history;
  kept.clear();
  std::uint32_t level = 0;
  std::uint32_t levelOfLast = 0;
  const auto take = [&](std::uint32_t frame, Value count) {
    while (level < scheme.levels_max() && (now >> level) - (frame >> level) > scheme.lag_max()) ++level;
    if (level == scheme.levels_max()) return;
    if (!kept.empty() && levelOfLast == level && kept.back().frame >> level == frame >> level) {
      kept.back().count += count;
    } else {
      kept.push_back({frame, count});
      levelOfLast = level;
    }
  };
  for (std::size_t i = t.size(); i-- > 0;) take(t[i], static_cast<Value>(v[i]));
  for (const auto& block : state.history) take(block.frame, block.count);
  resize_exactly(state.history, kept.size());
  std::copy(kept.begin(), kept.end(), state.history.begin());
}

/// Adds new photons, all later than those before, to the sums and to the history.
/// @param t frames, ascending, distinct; v counts, whose magnitudes the state's types hold; now the newest frame of the stream,
/// at least the last of t
template <class Value, class Product>
void fold(PixelState<Value, Product>& state, const StreamScheme& scheme, std::span<const std::uint32_t> t, std::span<const std::int64_t> v,
          std::uint32_t now, FoldScratch<Value>& scratch) {
  const std::uint32_t levels = scheme.levels(std::uint64_t{now} + 1);
  resize_exactly(state.products, std::max(state.products.size(), scheme.delays(levels)));
  resize_exactly(state.head, state.products.size() + 1);
  if (t.empty()) return;
  auto& blocks = scratch.blocks;  // newest first; the first `fresh` ones hold new photons
  blocks.clear();
  for (std::size_t i = t.size(); i-- > 0;) {
    const auto count = static_cast<Value>(v[i]);
    state.head[scheme.delays_within(t[i])] += count;
    state.magnitude += count < 0 ? -count : count;
    blocks.push_back({t[i], count});
  }
  std::size_t fresh = blocks.size();
  Value oldestFresh = blocks.back().count;  // the new photons of the block where old and new ones may meet
  std::size_t next = 0;
  for (std::uint32_t level = 0; level < levels; ++level) {
    const std::uint32_t first = t.front() >> level;
    for (; next < state.history.size() && first - (state.history[next].frame >> level) <= scheme.lag_max(); ++next) {
      const std::uint32_t at = state.history[next].frame >> level;
      if (blocks.back().frame == at) blocks.back().count += state.history[next].count;
      else blocks.push_back({at, state.history[next].count});
    }
    const std::uint32_t lagMin = scheme.lag_min(level);
    Product* const sums = state.products.data() + scheme.index(level, 1);
    for (std::size_t b = 0; b < fresh; ++b) {
      const auto later = static_cast<Product>(b + 1 == fresh ? oldestFresh : blocks[b].count);
      for (std::size_t a = b + 1; a < blocks.size(); ++a) {
        const std::uint32_t k = blocks[b].frame - blocks[a].frame;
        if (k > scheme.lag_max()) break;
        if (k >= lagMin) sums[k - 1] += later * static_cast<Product>(blocks[a].count);
      }
    }
    // Blocks of the next level.
    std::size_t kept = 0;
    std::size_t keptFresh = 0;
    Value oldest{0};
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const std::uint32_t half = blocks[i].frame >> 1;
      const bool joins = kept > 0 && blocks[kept - 1].frame == half;
      if (i < fresh) {
        const Value own = i + 1 == fresh ? oldestFresh : blocks[i].count;
        oldest = joins ? oldest + own : own;
        keptFresh += joins ? 0 : 1;
      }
      if (joins) {
        blocks[kept - 1].count += blocks[i].count;
      } else {
        blocks[kept++] = {half, blocks[i].count};
      }
    }
    blocks.resize(kept);
    fresh = keptFresh;
    oldestFresh = oldest;
  }
  age_history(state, scheme, t, v, now, scratch);
}

/// The sums of a series that ends after `scheme.frames` frames, all photons of the state being within.
/// @param products [D]; past, future [D]
template <class Value, class Product, class Edge>
void sums_at_end(const PixelState<Value, Product>& state, const StreamScheme& stream, const Scheme& scheme, Product* products, Edge* past, Edge* future) {
  const std::size_t count = scheme.delays.size();
  std::copy_n(state.products.begin(), count, products);
  const auto frames = static_cast<std::uint32_t>(scheme.frames);
  // Pairs whose later block is cut by the end do not count.
  for (std::uint32_t level = 1; level < scheme.levels; ++level) {
    const std::uint32_t open = frames >> level;
    Product inside{0};
    for (const auto& block : state.history) {
      const std::uint32_t k = open - (block.frame >> level);
      if (k > stream.lag_max()) break;
      if (k == 0) inside += static_cast<Product>(block.count);
      else if (inside == 0) break;
      const std::size_t at = k > stream.dpl() ? stream.index(level, k) : count;
      if (at < count) products[at] -= inside * static_cast<Product>(block.count);
    }
  }
  Edge total{0};
  for (const Value value : state.head) total += value;
  Edge head{0};
  Edge afterPast{0};
  Edge afterFuture{0};
  std::size_t nextPast = 0;
  std::size_t nextFuture = 0;
  for (std::size_t d = 0; d < count; ++d) {
    const Delay& delay = scheme.delays[d];
    head += state.head[d];
    for (; nextPast < state.history.size() && state.history[nextPast].frame >= delay.pastEnd; ++nextPast) afterPast += state.history[nextPast].count;
    for (; nextFuture < state.history.size() && state.history[nextFuture].frame >= delay.futureEnd; ++nextFuture) afterFuture += state.history[nextFuture].count;
    past[d] = total - afterPast;
    future[d] = total - afterFuture - head;
  }
}

}  // namespace xpcs
