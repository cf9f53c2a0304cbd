#include "intake_batch.hpp"

#include <algorithm>
#include <numeric>

namespace xpcs {
namespace {

constexpr std::uint64_t kGainedFramesMax = std::uint64_t{1} << 22;

std::size_t tile_count(const Partition& partition) { return (partition.pixelOfRank.size() + kTilePixels - 1) / kTilePixels; }

/// The rank of every event, kNoRank where its pixel does not count, and what each frame gained. With a flatfield the gains are
/// real: they are listed one by one, so that their sum runs in the order of arrival whatever the chunks were.
template <class Batch, class Count>
std::vector<std::uint32_t> rank_events(const RawChunk<Count>& chunk, const Partition& partition, const std::vector<double>& pixelFactor,
                                       PreparedChunk<Batch>& out) {
  static_assert(kNoRank == Partition::kMasked);
  const std::size_t n = chunk.size();
  std::vector<std::uint32_t> rank(n);
  for (std::size_t i = 0; i < n; ++i) rank[i] = partition.rankOfPixel[chunk.pixel[i]];
  const auto [low, high] = std::minmax_element(chunk.frame.begin(), chunk.frame.end());
  if (std::is_integral_v<Count> && pixelFactor.empty() && *high - *low < kGainedFramesMax) {
    out.frameStart = *low;
    out.gained.assign(std::size_t{*high - *low} + 1, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      if (rank[i] == kNoRank) continue;
      out.gained[chunk.frame[i] - *low] += static_cast<double>(chunk.count[i]);
      ++out.events;
    }
    return rank;
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (rank[i] == kNoRank) continue;
    const auto value = static_cast<double>(chunk.count[i]);
    out.gains.emplace_back(chunk.frame[i], pixelFactor.empty() ? value : value * pixelFactor[chunk.pixel[i]]);
    ++out.events;
  }
  return rank;
}

/// Events of frames too far apart for one batch: ordered by epoch of 65536 frames, one batch each.
void split_by_epoch(const RawChunk<std::int64_t>& chunk, const std::vector<std::uint32_t>& rank, std::size_t tiles, std::vector<IntegerBatch>& batches) {
  std::vector<std::uint32_t> order(chunk.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto epoch = [&](std::uint32_t i) { return chunk.frame[i] / IntegerBatch::kFrames; };
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return epoch(a) < epoch(b); });
  for (std::size_t from = 0; from < order.size();) {
    const std::uint32_t current = epoch(order[from]);
    std::vector<std::uint32_t> frame, ranks;
    std::vector<std::int64_t> count;
    for (; from < order.size() && epoch(order[from]) == current; ++from) {
      frame.push_back(chunk.frame[order[from]]);
      ranks.push_back(rank[order[from]]);
      count.push_back(chunk.count[order[from]]);
    }
    batches.emplace_back(current * IntegerBatch::kFrames, frame, ranks, count, tiles);
  }
}

}  // namespace

PreparedChunk<IntegerBatch> prepare(const RawChunk<std::int64_t>& chunk, const Partition& partition, const std::vector<double>& pixelFactor) {
  PreparedChunk<IntegerBatch> out;
  if (chunk.size() == 0) return out;
  const std::vector<std::uint32_t> rank = rank_events(chunk, partition, pixelFactor, out);
  const auto [low, high] = std::minmax_element(chunk.frame.begin(), chunk.frame.end());
  if (*high - *low < IntegerBatch::kFrames) {
    out.batches.emplace_back(*low, chunk.frame, rank, chunk.count, tile_count(partition));
  } else {
    split_by_epoch(chunk, rank, tile_count(partition), out.batches);
  }
  return out;
}

PreparedChunk<RealBatch> prepare(const RawChunk<double>& chunk, const Partition& partition, const std::vector<double>& pixelFactor) {
  PreparedChunk<RealBatch> out;
  if (chunk.size() == 0) return out;
  const std::vector<std::uint32_t> rank = rank_events(chunk, partition, pixelFactor, out);
  std::vector<RealBatch::Event> events;
  events.reserve(out.events);
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (rank[i] != kNoRank) events.push_back({chunk.frame[i], rank[i], chunk.count[i]});
  }
  out.batches.emplace_back(events, tile_count(partition));
  return out;
}

}  // namespace xpcs
