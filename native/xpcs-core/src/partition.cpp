#include "xpcs/partition.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "xpcs/error.hpp"

namespace xpcs {
namespace {

// Labels are dense small integers; a label near 2^31 is a damaged map and would make tables of gigabytes.
constexpr std::int32_t kLabelMax = 1 << 26;

/// Owner of every static bin, and the pixels that leave the correlation when a bin is split.
void assign_static_bins(Partition& part, std::span<const std::int32_t> dqmap, std::span<const std::int32_t> sqmap, SplitBins split) {
  std::vector<std::map<std::uint32_t, std::uint32_t>> votes(part.staticBins);
  for (std::size_t p = 0; p < dqmap.size(); ++p) {
    if (dqmap[p] >= 1 && sqmap[p] >= 1) ++votes[static_cast<std::uint32_t>(sqmap[p] - 1)][static_cast<std::uint32_t>(dqmap[p] - 1)];
  }
  part.dynamicOfStatic.assign(part.staticBins, Partition::kMasked);
  for (std::uint32_t s = 0; s < part.staticBins; ++s) {
    std::uint32_t best = 0;
    for (const auto& [q, n] : votes[s]) {
      if (n > best) {
        best = n;
        part.dynamicOfStatic[s] = q;
      }
    }
    if (votes[s].size() > 1 && split == SplitBins::error) {
      std::string owners;
      for (const auto& [q, n] : votes[s]) owners += (owners.empty() ? "" : ", ") + std::to_string(q + 1) + " (" + std::to_string(n) + " pixels)";
      throw Error(Code::invalid_argument, "static bin " + std::to_string(s + 1) + " lies in several dynamic bins: " + owners +
                                              "; mend the q-map, or pass --compat xpcs-eigen to drop the minority pixels");
    }
  }
}

/// Pixels in stable order of their label (1..labels).
std::vector<std::uint32_t> sorted_by_label(const std::vector<std::uint32_t>& pixels, std::span<const std::int32_t> map, std::uint32_t labels) {
  std::vector<std::uint32_t> start(std::size_t{labels} + 2, 0);
  for (const std::uint32_t p : pixels) ++start[static_cast<std::size_t>(map[p]) + 1];
  std::partial_sum(start.begin(), start.end(), start.begin());
  std::vector<std::uint32_t> out(pixels.size());
  for (const std::uint32_t p : pixels) out[start[static_cast<std::size_t>(map[p])]++] = p;
  return out;
}

}  // namespace

Partition make_partition(std::uint32_t height, std::uint32_t width, std::span<const std::int32_t> dqmap, std::span<const std::int32_t> sqmap,
                         SplitBins split) {
  Partition part;
  part.height = height;
  part.width = width;
  const std::uint64_t n = std::uint64_t{height} * width;
  if (n == 0 || n > 0x7FFFFFFF || dqmap.size() != n || sqmap.size() != n) {
    throw Error(Code::invalid_argument, "the q-maps have " + std::to_string(dqmap.size()) + " (dynamic) and " + std::to_string(sqmap.size()) +
                                            " (static) pixels, the detector is " + std::to_string(height) + " x " + std::to_string(width));
  }
  std::int32_t qMax = 0;
  std::int32_t sMax = 0;
  std::uint32_t valid = 0;
  for (std::size_t p = 0; p < n; ++p) {
    if (dqmap[p] < 1 || sqmap[p] < 1) continue;
    ++valid;
    qMax = std::max(qMax, dqmap[p]);
    sMax = std::max(sMax, sqmap[p]);
  }
  if (valid == 0) throw Error(Code::invalid_argument, "the q-map has no valid pixel (none with a dynamic and a static bin): nothing to correlate");
  if (qMax > kLabelMax || sMax > kLabelMax) {
    throw Error(Code::invalid_argument, "the q-map has bin " + std::to_string(std::max(qMax, sMax)) + ": labels must be small consecutive numbers");
  }
  part.dynamicBins = static_cast<std::uint32_t>(qMax);
  part.staticBins = static_cast<std::uint32_t>(sMax);
  assign_static_bins(part, dqmap, sqmap, split);

  std::vector<std::uint32_t> seen(part.dynamicBins, 0);
  part.pixelOfRank.reserve(valid);
  for (std::uint32_t p = 0; p < n; ++p) {
    if (dqmap[p] < 1 || sqmap[p] < 1) continue;
    part.pixelOfRank.push_back(p);
    ++seen[static_cast<std::uint32_t>(dqmap[p] - 1)];
  }
  for (std::uint32_t q = 0; q < part.dynamicBins; ++q) {
    if (seen[q] == 0) {
      throw Error(Code::invalid_argument, "dynamic bin " + std::to_string(q + 1) + " of 1.." + std::to_string(part.dynamicBins) +
                                              " has no valid pixel: number the dynamic bins without gaps");
    }
  }
  // By static, then stably by dynamic bin: two counting sorts, because a sort by comparison costs more than small series.
  part.pixelOfRank = sorted_by_label(part.pixelOfRank, sqmap, part.staticBins);
  part.pixelOfRank = sorted_by_label(part.pixelOfRank, dqmap, part.dynamicBins);

  part.rankOfPixel.assign(n, Partition::kMasked);
  part.validPixels.assign(part.staticBins, 0);
  part.correlatedPixels.assign(part.staticBins, 0);
  part.pixelsOfDynamic.assign(part.dynamicBins, 0);
  part.dynamicOfRank.reserve(valid);
  part.staticOfRank.reserve(valid);
  part.correlated.reserve(valid);
  for (std::uint32_t rank = 0; rank < valid; ++rank) {
    const std::uint32_t p = part.pixelOfRank[rank];
    const auto q = static_cast<std::uint32_t>(dqmap[p] - 1);
    const auto s = static_cast<std::uint32_t>(sqmap[p] - 1);
    const bool correlated = part.dynamicOfStatic[s] == q;
    part.rankOfPixel[p] = rank;
    part.dynamicOfRank.push_back(q);
    part.staticOfRank.push_back(s);
    part.correlated.push_back(correlated ? 1 : 0);
    ++part.validPixels[s];
    if (correlated) {
      ++part.correlatedPixels[s];
      ++part.pixelsOfDynamic[q];
    }
  }
  return part;
}

}  // namespace xpcs
