#include "xpcs/partition.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <utility>

#include "xpcs/error.hpp"

namespace xpcs {
namespace {

// Labels are dense small integers; a label near 2^31 is a damaged map and would make tables of gigabytes.
constexpr std::int32_t kLabelMax = 1 << 26;

/// Valid pixels of one dynamic and one static bin, both from 0.
struct Cell {
  std::uint32_t q, s;
  std::uint32_t pixels = 0;
  std::uint32_t rank = 0;  ///< of the first of them
};

/// The cells that have pixels. Nearly every static bin is one cell, found without a search.
class Cells {
 public:
  explicit Cells(std::uint32_t staticBins) : firstOf_(staticBins, kNone) {}

  std::uint32_t find(std::uint32_t q, std::uint32_t s) {
    const std::uint32_t first = firstOf_[s];
    if (first != kNone && all[first].q == q) return first;
    if (first == kNone) return firstOf_[s] = add(q, s);
    const auto [at, fresh] = others_.try_emplace(std::uint64_t{s} << 32 | q, 0);
    if (fresh) at->second = add(q, s);
    return at->second;
  }
  /// Their order is that of ranks.
  [[nodiscard]] std::vector<std::uint32_t> sorted() const {
    std::vector<std::uint32_t> order(all.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return std::pair(all[a].q, all[a].s) < std::pair(all[b].q, all[b].s); });
    return order;
  }

  std::vector<Cell> all;

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::uint32_t add(std::uint32_t q, std::uint32_t s) {
    all.push_back({q, s});
    return static_cast<std::uint32_t>(all.size() - 1);
  }
  std::vector<std::uint32_t> firstOf_;                           // of each static bin
  std::unordered_map<std::uint64_t, std::uint32_t> others_;  // of static bins with several
};

/// Calls visit(first, index behind the last) for every run of valid pixels of one cell.
template <class Visit>
void for_each_run(std::span<const std::int32_t> dqmap, std::span<const std::int32_t> sqmap, Visit visit) {
  const auto n = static_cast<std::uint32_t>(dqmap.size());
  for (std::uint32_t from = 0; from < n;) {
    std::uint32_t end = from + 1;
    while (end < n && dqmap[end] == dqmap[from] && sqmap[end] == sqmap[from]) ++end;
    if (dqmap[from] > 0 && sqmap[from] > 0) visit(from, end);
    from = end;
  }
}

/// Owner of every static bin: the dynamic bin of most of its pixels, the lowest among equals. @param order of the cells by rank
void assign_static_bins(Partition& part, const Cells& cells, const std::vector<std::uint32_t>& order, SplitBins split) {
  std::vector<std::uint32_t> most(part.staticBins, 0);
  std::vector<bool> several(part.staticBins, false);
  part.dynamicOfStatic.assign(part.staticBins, Partition::kMasked);
  for (const std::uint32_t at : order) {
    const Cell& cell = cells.all[at];
    several[cell.s] = most[cell.s] > 0;
    if (cell.pixels <= most[cell.s]) continue;
    most[cell.s] = cell.pixels;
    part.dynamicOfStatic[cell.s] = cell.q;
  }
  if (split != SplitBins::error) return;
  const auto found = std::find(several.begin(), several.end(), true);
  if (found == several.end()) return;
  const auto s = static_cast<std::uint32_t>(found - several.begin());
  std::string owners;
  for (const std::uint32_t at : order) {
    const Cell& cell = cells.all[at];
    if (cell.s == s) owners += (owners.empty() ? "" : ", ") + std::to_string(cell.q + 1) + " (" + std::to_string(cell.pixels) + " pixels)";
  }
  throw Error(Code::invalid_argument, "static bin " + std::to_string(s + 1) + " lies in several dynamic bins: " + owners +
                                          "; mend the q-map, or pass --compat xpcs-eigen to drop the minority pixels");
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
    const bool counts = dqmap[p] > 0 && sqmap[p] > 0;
    valid += counts ? 1 : 0;
    qMax = std::max(qMax, counts ? dqmap[p] : 0);
    sMax = std::max(sMax, counts ? sqmap[p] : 0);
  }
  if (valid == 0) throw Error(Code::invalid_argument, "the q-map has no valid pixel (none with a dynamic and a static bin): nothing to correlate");
  if (qMax > kLabelMax || sMax > kLabelMax) {
    throw Error(Code::invalid_argument, "the q-map has bin " + std::to_string(std::max(qMax, sMax)) + ": labels must be small consecutive numbers");
  }
  part.dynamicBins = static_cast<std::uint32_t>(qMax);
  part.staticBins = static_cast<std::uint32_t>(sMax);

  Cells cells(part.staticBins);
  part.rankOfPixel.assign(n, Partition::kMasked);  // first the cell
  for_each_run(dqmap, sqmap, [&](std::uint32_t from, std::uint32_t end) {
    const std::uint32_t cell = cells.find(static_cast<std::uint32_t>(dqmap[from] - 1), static_cast<std::uint32_t>(sqmap[from] - 1));
    cells.all[cell].pixels += end - from;
    part.rankOfPixel[from] = cell;
  });
  const std::vector<std::uint32_t> order = cells.sorted();
  assign_static_bins(part, cells, order, split);

  part.validPixels.assign(part.staticBins, 0);
  part.correlatedPixels.assign(part.staticBins, 0);
  part.pixelsOfDynamic.assign(part.dynamicBins, 0);
  part.dynamicOfRank.reserve(valid);
  part.staticOfRank.reserve(valid);
  part.correlated.reserve(valid);
  std::uint32_t expected = 0;  // dynamic bin
  for (const std::uint32_t at : order) {
    Cell& cell = cells.all[at];
    if (cell.q > expected) break;
    expected = cell.q + 1;
    cell.rank = static_cast<std::uint32_t>(part.dynamicOfRank.size());
    const std::size_t end = part.dynamicOfRank.size() + cell.pixels;
    const bool correlated = part.dynamicOfStatic[cell.s] == cell.q;
    part.dynamicOfRank.resize(end, cell.q);
    part.staticOfRank.resize(end, cell.s);
    part.correlated.resize(end, correlated ? 1 : 0);
    part.validPixels[cell.s] += cell.pixels;
    if (correlated) {
      part.correlatedPixels[cell.s] += cell.pixels;
      part.pixelsOfDynamic[cell.q] += cell.pixels;
    }
  }
  if (expected < part.dynamicBins) {
    throw Error(Code::invalid_argument, "dynamic bin " + std::to_string(expected + 1) + " of 1.." + std::to_string(part.dynamicBins) +
                                            " has no valid pixel: number the dynamic bins without gaps");
  }
  part.pixelOfRank.resize(valid);
  for_each_run(dqmap, sqmap, [&](std::uint32_t from, std::uint32_t end) {
    Cell& cell = cells.all[part.rankOfPixel[from]];
    const std::uint32_t first = cell.rank;
    cell.rank += end - from;
    std::iota(part.rankOfPixel.begin() + from, part.rankOfPixel.begin() + end, first);
    std::iota(part.pixelOfRank.begin() + first, part.pixelOfRank.begin() + cell.rank, from);
  });
  return part;
}

}  // namespace xpcs
