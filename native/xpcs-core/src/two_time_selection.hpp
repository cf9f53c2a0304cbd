// The pixels of the selected q bins and their ranks: the order in which a two-time analysis keeps them.
#pragma once
#include <bit>
#include <span>

#include "two_time_scales.hpp"
#include "xpcs/partition.hpp"

namespace xpcs::twotime {

/// Neighbouring pixels whose ranks are neighbours too.
struct PixelRun {
  std::uint32_t pixel, rank, n;
};

/// 64 pixels: which of them are selected, and the rank of the first that is. Small enough to stay in cache while frames pass.
struct PixelWord {
  static constexpr std::uint32_t kMixed = 0xFFFFFFFF;  ///< their ranks do not follow each other
  std::uint64_t bits = 0;
  std::uint32_t rank = 0;
};

struct Selection {
  std::vector<std::uint32_t> rankOfPixel;  ///< kMasked where the pixel is of no selected bin
  std::vector<PixelRun> runs;
  std::vector<Group> groups;
  std::vector<Bin> bins;    ///< those that have pixels
  std::uint32_t ranks = 0;  ///< with gaps between the bins

  Selection() = default;
  /// @param labels dynamic labels, ascending @param perStatic a bin's static bins are groups of their own
  /// @throws invalid_argument an unknown label
  Selection(const Partition& partition, const std::vector<std::uint32_t>& labels, bool perStatic);

  /// Of a selected pixel.
  [[nodiscard]] std::uint32_t rank_of(std::uint32_t pixel) const {
    const PixelWord& word = words_[pixel / 64];
    if (word.rank == PixelWord::kMixed) return rankOfPixel[pixel];
    return word.rank + static_cast<std::uint32_t>(std::popcount(word.bits & ((std::uint64_t{1} << (pixel % 64)) - 1)));
  }

  /// The indices of the selected pixels of a list, ascending.
  [[nodiscard]] std::size_t choose(std::span<const std::uint32_t> pixel, std::uint32_t* place) const {
    const PixelWord* word = words_.data();
    std::size_t n = 0;
    for (std::uint32_t i = 0; i < pixel.size(); ++i) {
      place[n] = i;
      n += word[pixel[i] / 64].bits >> (pixel[i] % 64) & 1;
    }
    return n;
  }

 private:
  void give_rank(std::uint32_t pixel);

  std::vector<PixelWord> words_;
};

}  // namespace xpcs::twotime
