#include "two_time_selection.hpp"

#include <algorithm>

#include "xpcs/error.hpp"

namespace xpcs::twotime {

/// A bin's row of bytes starts on a cache line.
constexpr std::uint32_t kBinAlign = 64;

/// Ranks of a bin follow its groups, and the pixels within a group, so that photons that come by pixel need little sorting.
Selection::Selection(const Partition& partition, const std::vector<std::uint32_t>& labels, bool perStatic) {
  rankOfPixel.assign(partition.pixels(), Partition::kMasked);
  words_.assign(partition.pixels() / 64 + 1, {});
  std::size_t rank = 0;
  for (const std::uint32_t label : labels) {
    if (label == 0 || label > partition.dynamicBins) {
      throw Error(Code::invalid_argument, "q bin " + std::to_string(label) + " does not exist; the map has 1 to " + std::to_string(partition.dynamicBins));
    }
    ranks = (ranks + kBinAlign - 1) / kBinAlign * kBinAlign;
    Bin bin{label, ranks, ranks, static_cast<std::uint32_t>(groups.size()), 0};
    std::vector<std::vector<std::uint32_t>> members;
    std::uint32_t lastStatic = Partition::kMasked;
    for (; rank < partition.pixelOfRank.size() && partition.dynamicOfRank[rank] < label; ++rank) {
      if (partition.dynamicOfRank[rank] + 1 != label || partition.correlated[rank] == 0) continue;
      const std::uint32_t s = partition.staticOfRank[rank];
      if (members.empty() || (perStatic && s != lastStatic)) {
        members.emplace_back();
        groups.push_back({0, 0, static_cast<std::uint32_t>(bins.size()), perStatic ? s + 1 : 0});
      }
      lastStatic = s;
      members.back().push_back(partition.pixelOfRank[rank]);
    }
    for (std::size_t g = 0; g < members.size(); ++g) {
      std::sort(members[g].begin(), members[g].end());
      groups[bin.firstGroup + g].first = ranks;
      for (const std::uint32_t pixel : members[g]) give_rank(pixel);
      groups[bin.firstGroup + g].end = ranks;
    }
    bin.end = ranks;
    bin.endGroup = static_cast<std::uint32_t>(groups.size());
    if (bin.pixels() > 0) bins.push_back(bin);
  }
}

void Selection::give_rank(std::uint32_t pixel) {
  if (!runs.empty() && runs.back().pixel + runs.back().n == pixel && runs.back().rank + runs.back().n == ranks) {
    ++runs.back().n;
  } else {
    runs.push_back({pixel, ranks, 1});
  }
  PixelWord& word = words_[pixel / 64];
  if (word.bits == 0) {
    word.rank = ranks;
  } else if (word.rank + static_cast<std::uint32_t>(std::popcount(word.bits)) != ranks || word.bits >> (pixel % 64) != 0) {
    word.rank = PixelWord::kMixed;
  }
  word.bits |= std::uint64_t{1} << (pixel % 64);
  rankOfPixel[pixel] = ranks++;
}

}  // namespace xpcs::twotime
