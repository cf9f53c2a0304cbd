// One pixel of real values: from its values by frame to its sums of products, IP and IF, in one go or in parts, with the same bits either
// way. Sums of real numbers depend on their order: each runs from the first frame to the last, and a block is the sum of its two halves.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "scheme.hpp"

namespace xpcs {

/// How the numbers of a pixel lie: its total, the products of every delay, the totals before every delay, and of each level the last
/// 2 dpl whole blocks with the totals before them. All are 0 before the first frame.
struct RealLayout {
  std::uint32_t dpl = 1;
  std::uint32_t levels = 1;

  /// Of a series of up to so many frames.
  static std::uint32_t levels_max(std::uint64_t framesMax, std::uint32_t dpl) { return std::max(1U, Scheme(framesMax, dpl).levels); }
  [[nodiscard]] std::uint32_t lag_max() const noexcept { return 2 * dpl; }
  [[nodiscard]] std::size_t delays() const noexcept { return std::size_t{levels + 1} * dpl; }
  [[nodiscard]] std::size_t products() const noexcept { return 1; }
  [[nodiscard]] std::size_t heads() const noexcept { return 1 + delays(); }
  /// Of a level: [2 dpl, 2] the sum of block b, and the total before it, at row b mod 2 dpl.
  [[nodiscard]] std::size_t blocks(std::uint32_t level) const noexcept { return 1 + 2 * delays() + std::size_t{level} * lag_max() * 2; }
  [[nodiscard]] std::size_t size() const noexcept { return blocks(levels); }

  /// How many of its delays are at most t frames.
  [[nodiscard]] std::size_t delays_within(std::uint64_t t) const noexcept { return std::min(xpcs::delays_within(t, dpl), delays()); }
};

struct RealBlock {
  std::uint64_t block;
  double sum, before;
};

/// Reused from pixel to pixel.
struct RealScratch {
  std::vector<RealBlock> blocks, coming, next;
  std::vector<double> own;  // a pixel's numbers
};

/// Takes the frames from .. to - 1 in. Blocks of sum 0 are passed over, like those without values.
/// @param own [layout.size()] of the frames before `from` @param t frames, ascending, distinct, within; v their values
inline void take_real(const RealLayout& layout, double* own, std::uint64_t from, std::uint64_t to, std::span<const std::uint32_t> t, std::span<const double> v, RealScratch& scratch) {
  double& total = own[0];
  double* head = own + layout.heads();
  double* products = own + layout.products();
  std::size_t delay = layout.delays_within(from);
  auto& coming = scratch.coming;
  coming.clear();
  for (std::size_t i = 0; i < t.size(); ++i) {
    for (; delay < layout.delays() && delay_at(delay, layout.dpl) <= t[i]; ++delay) head[delay] = total;
    if (v[i] != 0) coming.push_back({t[i], v[i], total});
    total += v[i];
  }
  for (const std::size_t end = layout.delays_within(to); delay < end; ++delay) head[delay] = total;

  const std::uint32_t lagMax = layout.lag_max();
  double behind = total;  // the total before the frames that no whole block of the level covers
  for (std::uint32_t level = 0; level < layout.levels; ++level) {
    const std::uint64_t had = from >> level;
    const std::uint64_t has = to >> level;
    if (had == has) return;
    double* const ring = own + layout.blocks(level);
    auto& blocks = scratch.blocks;
    blocks.clear();
    for (std::uint64_t b = had - std::min<std::uint64_t>(had, lagMax); b < had; ++b) {
      const double* row = ring + b % lagMax * 2;
      if (row[0] != 0) blocks.push_back({b, row[0], row[1]});
    }
    const std::size_t first = blocks.size();
    blocks.insert(blocks.end(), coming.begin(), coming.end());
    const std::uint32_t lagMin = level == 0 ? 1 : layout.dpl + 1;
    double* const ofLevel = products + std::size_t{level == 0 ? 0 : level + 1} * layout.dpl;
    for (std::size_t later = first; later < blocks.size(); ++later) {
      for (std::size_t earlier = later; earlier-- > 0;) {
        const std::uint64_t lag = blocks[later].block - blocks[earlier].block;
        if (lag > lagMax) break;
        if (lag >= lagMin) ofLevel[lag - lagMin] += blocks[later].sum * blocks[earlier].sum;
      }
    }
    double before = behind;
    std::size_t last = blocks.size();
    for (std::uint64_t b = has; b-- > has - std::min<std::uint64_t>(has, lagMax);) {
      double* row = ring + b % lagMax * 2;
      row[0] = 0;
      if (last > 0 && blocks[last - 1].block == b) {
        row[0] = blocks[--last].sum;
        before = blocks[last].before;
      }
      row[1] = before;
    }
    if (has % 2 == 1) behind = ring[(has - 1) % lagMax * 2 + 1];
    scratch.next.clear();
    const auto drop_zero = [&] {
      if (!scratch.next.empty() && scratch.next.back().sum == 0) scratch.next.pop_back();
    };
    for (const RealBlock& half : blocks) {
      if (half.block < (had & ~std::uint64_t{1}) || half.block >= (has & ~std::uint64_t{1})) continue;
      if (!scratch.next.empty() && scratch.next.back().block == half.block / 2) {
        scratch.next.back().sum += half.sum;
      } else {
        drop_zero();
        scratch.next.push_back({half.block / 2, half.sum, half.before});
      }
    }
    drop_zero();
    coming.swap(scratch.next);
  }
}

/// The curve after the frames that were taken in. @param own as above @param g, past, future [delays of the scheme] get the sums
inline void finish_real(const RealLayout& layout, const double* own, const Scheme& scheme, double* g, double* past, double* future) {
  double behind = own[0];
  for (std::uint32_t level = 0; level < scheme.levels; ++level) {
    const double* ring = own + layout.blocks(level);
    const std::uint64_t has = scheme.frames >> level;
    const auto before = [&](std::uint64_t block) { return ring[block % layout.lag_max() * 2 + 1]; };
    const std::size_t end = scheme.first_delay(level) + scheme.delays_at(level);
    for (std::size_t d = scheme.first_delay(level); d < end; ++d) {
      g[d] = own[layout.products() + d];
      past[d] = before(has - scheme.delays[d].lag);
      future[d] = behind - own[layout.heads() + d];
    }
    if (has % 2 == 1) behind = before(has - 1);
  }
}

}  // namespace xpcs
