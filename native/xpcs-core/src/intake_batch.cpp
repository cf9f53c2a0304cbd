#include "intake_batch.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "xpcs/error.hpp"

namespace xpcs {
namespace {

std::size_t tile_count(const Partition& partition) { return (partition.pixelOfRank.size() + kTilePixels - 1) / kTilePixels; }

/// The rank of every event, kNoRank where its pixel does not count, and what each frame gained. With a flatfield the gains are
/// real: they are listed one by one, so that their sum runs in the order of arrival whatever the chunks were.
template <class Batch, class Count>
void rank_events(const EventSpans<Count>& events, const Partition& partition, const std::vector<double>& pixelFactor, std::vector<std::uint32_t>& rank,
                 PreparedChunk<Batch>& out) {
  static_assert(kNoRank == Partition::kMasked);
  const std::size_t n = events.frame.size();
  rank.resize(n);
  const std::uint32_t* const rankOfPixel = partition.rankOfPixel.data();
  if constexpr (std::is_integral_v<Count>) {
    if (pixelFactor.empty()) {
      for (std::size_t i = 0; i < n;) {
        const std::uint32_t frame = events.frame[i];
        std::int64_t gained = 0;
        std::uint64_t valid = 0;
        for (; i < n && events.frame[i] == frame; ++i) {
          rank[i] = rankOfPixel[events.pixel[i]];
          const std::int64_t counts = rank[i] != kNoRank ? 1 : 0;
          gained += events.count[i] & -counts;
          valid += static_cast<std::uint64_t>(counts);
        }
        out.gains.emplace_back(frame, static_cast<double>(gained));
        out.events += valid;
      }
      return;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    rank[i] = rankOfPixel[events.pixel[i]];
    if (rank[i] == kNoRank) continue;
    const auto value = static_cast<double>(events.count[i]);
    out.gains.emplace_back(events.frame[i], pixelFactor.empty() ? value : value * pixelFactor[events.pixel[i]]);
    ++out.events;
  }
}

/// Events of frames too far apart for one batch: ordered by epoch of 65536 frames, one batch each.
void split_by_epoch(const EventSpans<std::int64_t>& events, const std::vector<std::uint32_t>& rank, std::size_t tiles, std::vector<IntegerBatch>& batches) {
  std::vector<std::uint32_t> order(rank.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto epoch = [&](std::uint32_t i) { return events.frame[i] / IntegerBatch::kFrames; };
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return epoch(a) < epoch(b); });
  for (std::size_t from = 0; from < order.size();) {
    const std::uint32_t current = epoch(order[from]);
    std::vector<std::uint32_t> frame, ranks;
    std::vector<std::int64_t> count;
    for (; from < order.size() && epoch(order[from]) == current; ++from) {
      frame.push_back(events.frame[order[from]]);
      ranks.push_back(rank[order[from]]);
      count.push_back(events.count[order[from]]);
    }
    batches.emplace_back(current * IntegerBatch::kFrames, frame, ranks, count, tiles);
  }
}

/// The lowest and the highest. Not empty.
std::pair<std::uint32_t, std::uint32_t> frame_range(std::span<const std::uint32_t> frame) {
  std::uint32_t low = frame.front();
  std::uint32_t high = low;
  for (const std::uint32_t f : frame) {
    low = std::min(low, f);
    high = std::max(high, f);
  }
  return {low, high};
}

}  // namespace

void check_events(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::size_t counts, const Partition& partition) {
  if (frame.size() != pixel.size() || frame.size() != counts) throw Error(Code::invalid_argument, "frame, pixel and count must have one length");
  std::uint32_t largest = 0;
  for (const std::uint32_t p : pixel) largest = std::max(largest, p);
  if (pixel.empty() || largest < partition.pixels()) return;
  const auto at = std::find_if(pixel.begin(), pixel.end(), [&](std::uint32_t p) { return p >= partition.pixels(); });
  throw Error(Code::invalid_argument, "pixel " + std::to_string(*at) + " of event " + std::to_string(at - pixel.begin()) + " is outside the detector of " +
                                          std::to_string(partition.pixels()) + " pixels");
}

PreparedChunk<IntegerBatch> prepare_events(const EventSpans<std::int64_t>& events, const Partition& partition, const std::vector<double>& pixelFactor) {
  check_events(events.frame, events.pixel, events.count.size(), partition);
  PreparedChunk<IntegerBatch> out;
  if (events.frame.empty()) return out;
  static thread_local std::vector<std::uint32_t> rank;
  rank_events(events, partition, pixelFactor, rank, out);
  const auto [low, high] = frame_range(events.frame);
  out.frames = std::uint64_t{high} + 1;
  if (high - low < IntegerBatch::kFrames) {
    out.batches.emplace_back(low, events.frame, rank, events.count, tile_count(partition));
  } else {
    split_by_epoch(events, rank, tile_count(partition), out.batches);
  }
  return out;
}

PreparedChunk<RealBatch> prepare_events(const EventSpans<double>& events, const Partition& partition, const std::vector<double>& pixelFactor) {
  check_events(events.frame, events.pixel, events.count.size(), partition);
  PreparedChunk<RealBatch> out;
  if (events.frame.empty()) return out;
  std::vector<std::uint32_t> rank;
  rank_events(events, partition, pixelFactor, rank, out);
  out.frames = std::uint64_t{frame_range(events.frame).second} + 1;
  std::vector<RealBatch::Event> kept;
  kept.reserve(out.events);
  for (std::size_t i = 0; i < rank.size(); ++i) {
    if (rank[i] != kNoRank) kept.push_back({events.frame[i], rank[i], events.count[i]});
  }
  out.batches.emplace_back(kept, tile_count(partition));
  return out;
}

}  // namespace xpcs
