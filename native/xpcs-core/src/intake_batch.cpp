#include "intake_batch.hpp"

#include <algorithm>

namespace xpcs {
namespace {

constexpr std::uint64_t kGainedFramesMax = std::uint64_t{1} << 22;

std::size_t tile_count(const Partition& partition) { return (partition.pixelOfRank.size() + kTilePixels - 1) / kTilePixels; }

/// Valid events by rank, and what each frame gained. With a flatfield the gains are real: they are listed one by one, so
/// that their sum runs in the order of arrival whatever the chunks were.
template <class Batch, class Count>
std::vector<typename Batch::Event> rank_events(const RawChunk<Count>& chunk, const Partition& partition, const std::vector<double>& pixelFactor,
                                               PreparedChunk<Batch>& out) {
  std::vector<typename Batch::Event> events(chunk.size());
  const auto [low, high] = std::minmax_element(chunk.frame.begin(), chunk.frame.end());
  const bool exact = std::is_integral_v<Count> && pixelFactor.empty() && *high - *low < kGainedFramesMax;
  if (exact) {
    out.frameStart = *low;
    out.gained.assign(std::size_t{*high - *low} + 1, 0.0);
  }
  std::size_t n = 0;
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    const std::uint32_t rank = partition.rankOfPixel[chunk.pixel[i]];
    if (rank == Partition::kMasked) continue;
    events[n++] = {chunk.frame[i], rank, chunk.count[i]};
    const auto value = static_cast<double>(chunk.count[i]);
    if (exact) out.gained[chunk.frame[i] - *low] += value;
    else out.gains.emplace_back(chunk.frame[i], pixelFactor.empty() ? value : value * pixelFactor[chunk.pixel[i]]);
  }
  events.resize(n);
  out.events = n;
  return events;
}

}  // namespace

PreparedChunk<IntegerBatch> prepare(const RawChunk<std::int64_t>& chunk, const Partition& partition, const std::vector<double>& pixelFactor) {
  PreparedChunk<IntegerBatch> out;
  if (chunk.size() == 0) return out;
  auto events = rank_events(chunk, partition, pixelFactor, out);
  const auto epoch = [](const IntegerBatch::Event& event) { return event.frame / IntegerBatch::kFrames; };
  const auto later = [&](const auto& a, const auto& b) { return epoch(a) < epoch(b); };
  if (!std::is_sorted(events.begin(), events.end(), later)) std::stable_sort(events.begin(), events.end(), later);
  for (std::size_t from = 0; from < events.size();) {
    const std::uint32_t current = epoch(events[from]);
    const auto end = std::partition_point(events.begin() + static_cast<std::ptrdiff_t>(from), events.end(), [&](const auto& event) { return epoch(event) == current; });
    const auto to = static_cast<std::size_t>(end - events.begin());
    out.batches.emplace_back(current * IntegerBatch::kFrames, std::span(events).subspan(from, to - from), tile_count(partition));
    from = to;
  }
  return out;
}

PreparedChunk<RealBatch> prepare(const RawChunk<double>& chunk, const Partition& partition, const std::vector<double>& pixelFactor) {
  PreparedChunk<RealBatch> out;
  if (chunk.size() == 0) return out;
  const auto events = rank_events(chunk, partition, pixelFactor, out);
  out.batches.emplace_back(events, tile_count(partition));
  return out;
}

}  // namespace xpcs
