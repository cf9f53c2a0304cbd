#include "intake_batch.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "event_packing.hpp"
#include "xpcs/error.hpp"

namespace xpcs {
namespace {

/// Photons per tile from which a frame is crowded. Once frames are, fewer are enough.
constexpr std::size_t kCrowdedPhotons = 4;

/// Calls visit(frame, index of the first, index behind the last) for every run of events of one frame.
template <class Visit>
void for_each_run(std::span<const std::uint32_t> frame, Visit visit) {
  const auto run = event_packing().run;
  for (std::size_t from = 0; from < frame.size();) {
    const std::size_t to = from + run(frame.data() + from, frame.size() - from);
    visit(frame[from], from, to);
    from = to;
  }
}

/// With a flatfield the gains are real: they are listed one by one, so that their sum runs in the order of arrival whatever the
/// chunks were.
template <class Count>
void list_gains(const EventSpans<Count>& events, const Partition& partition, const std::vector<double>& pixelFactor, std::vector<std::pair<std::uint32_t, double>>& gains) {
  for (std::size_t i = 0; i < events.frame.size(); ++i) {
    if (partition.rankOfPixel[events.pixel[i]] == Partition::kMasked) continue;
    const auto value = static_cast<double>(events.count[i]);
    gains.emplace_back(events.frame[i], pixelFactor.empty() ? value : value * pixelFactor[events.pixel[i]]);
  }
}

/// Events of frames that the open batch takes.
void pack(PreparedEvents& to, const EventSpans<std::int64_t>& events, const Partition& partition, bool gains) {
  static_assert(kNoRank == Partition::kMasked);
  to.packed.reserve(events.frame.size());
  for_each_run(events.frame, [&](std::uint32_t frame, std::size_t from, std::size_t end) {
    const auto [gained, valid] = to.packed.add(frame, end - from, events.pixel.subspan(from), events.count.data() + from, partition.rankOfPixel.data());
    if (gains) to.chunk.gains.emplace_back(frame, static_cast<double>(gained));
    to.chunk.events += valid;
  });
}

/// The runs of columns whose counts are these.
template <class Count>
void add_runs(PreparedEvents& to, const EventColumns& events, const Partition& partition, const std::vector<double>& pixelFactor, Crowding crowding, const Count* counts) {
  const std::span<const std::uint32_t> pixels(events.pixel);
  const std::size_t tiles = tile_count(partition.pixelOfRank.size());
  for (const EventColumns::Run& run : events.runs) {
    if (run.events == 0) continue;
    PackedEvents& open = to.packed;
    const bool crowd = crowding == Crowding::may && tiles <= IntegerBatch::kCrowdedTilesMax && run.events >= tiles * (open.n > 0 && open.crowded ? 1 : kCrowdedPhotons);
    const bool near = run.frame >= open.base && run.frame - open.base < IntegerBatch::kFrames && (!crowd || run.frame - open.lastFrame <= IntegerBatch::kStepMax);
    if (open.n > 0 && (open.crowded != crowd || !near)) close_batch(to);
    if (open.n == 0) open.begin(run.frame, tiles, crowd);
    to.packed.reserve(run.events);
    const auto [gained, valid] = to.packed.add(run.frame, run.events, pixels.subspan(run.first), counts + run.first, partition.rankOfPixel.data());
    to.chunk.cover(run.frame, run.frame);
    to.chunk.events += valid;
    if (pixelFactor.empty()) {
      to.chunk.gains.emplace_back(run.frame, static_cast<double>(gained));
      continue;
    }
    for (std::uint32_t i = run.first; i < run.first + run.events; ++i) {
      if (partition.rankOfPixel[events.pixel[i]] != Partition::kMasked) to.chunk.gains.emplace_back(run.frame, static_cast<double>(counts[i]) * pixelFactor[events.pixel[i]]);
    }
  }
}

/// Events of frames too far apart for one batch: ordered by epoch of 65536 frames, one batch each.
void split_by_epoch(PreparedEvents& to, const EventSpans<std::int64_t>& events, const Partition& partition, bool gains) {
  std::vector<std::uint32_t> order(events.frame.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto epoch = [&](std::uint32_t i) { return events.frame[i] / IntegerBatch::kFrames; };
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return epoch(a) < epoch(b); });
  for (std::size_t from = 0; from < order.size();) {
    const std::uint32_t current = epoch(order[from]);
    std::vector<std::uint32_t> frame, pixel;
    std::vector<std::int64_t> count;
    for (; from < order.size() && epoch(order[from]) == current; ++from) {
      frame.push_back(events.frame[order[from]]);
      pixel.push_back(events.pixel[order[from]]);
      count.push_back(events.count[order[from]]);
    }
    to.packed.begin(current * IntegerBatch::kFrames, tile_count(partition.pixelOfRank.size()));
    pack(to, {frame, pixel, count}, partition, gains);
    close_batch(to);
  }
}

}  // namespace

void check_events(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::size_t counts, const Partition& partition) {
  if (frame.size() != pixel.size() || frame.size() != counts) throw Error(Code::invalid_argument, "frame, pixel and count must have one length");
  if (pixel.empty() || event_packing().range(pixel.data(), pixel.size()).second < partition.pixels()) return;
  const auto at = std::find_if(pixel.begin(), pixel.end(), [&](std::uint32_t p) { return p >= partition.pixels(); });
  throw Error(Code::invalid_argument, "pixel " + std::to_string(*at) + " of event " + std::to_string(at - pixel.begin()) + " is outside the detector of " +
                                          std::to_string(partition.pixels()) + " pixels");
}

void add_events(PreparedEvents& to, const EventSpans<std::int64_t>& events, const Partition& partition, const std::vector<double>& pixelFactor) {
  check_events(events.frame, events.pixel, events.count.size(), partition);
  if (events.frame.empty()) return;
  const bool gains = pixelFactor.empty();
  if (!gains) list_gains(events, partition, pixelFactor, to.chunk.gains);
  const auto [low, high] = event_packing().range(events.frame.data(), events.frame.size());
  to.chunk.cover(events.frame.front(), high);
  if (to.packed.n > 0 && (low < to.packed.base || high - to.packed.base >= IntegerBatch::kFrames)) close_batch(to);
  if (high - low >= IntegerBatch::kFrames) {
    close_batch(to);
    split_by_epoch(to, events, partition, gains);
    return;
  }
  if (to.packed.n == 0) to.packed.begin(low, tile_count(partition.pixelOfRank.size()));
  pack(to, events, partition, gains);
}

void add_columns(PreparedEvents& to, const EventColumns& events, const Partition& partition, const std::vector<double>& pixelFactor, Crowding crowding) {
  if (events.pixelEnd > partition.pixels()) {
    throw Error(Code::invalid_argument, "pixel " + std::to_string(events.pixelEnd - 1) + " is outside the detector of " + std::to_string(partition.pixels()) + " pixels");
  }
  if (events.signedCounts) add_runs(to, events, partition, pixelFactor, crowding, reinterpret_cast<const std::int16_t*>(events.count.data()));
  else add_runs(to, events, partition, pixelFactor, crowding, events.count.data());
}

void close_batch(PreparedEvents& of) {
  if (of.packed.n == 0) return;
  of.chunk.batches.emplace_back(of.packed);
  of.packed.n = 0;
}

PreparedChunk<IntegerBatch> take_chunk(PreparedEvents& of) {
  close_batch(of);
  return std::exchange(of.chunk, {});
}

PreparedChunk<IntegerBatch> prepare_events(const EventSpans<std::int64_t>& events, const Partition& partition, const std::vector<double>& pixelFactor) {
  static thread_local PreparedEvents prepared;  // keeps its memory
  prepared.chunk = {};                          // empty but after a call that threw
  prepared.packed.n = 0;
  add_events(prepared, events, partition, pixelFactor);
  return take_chunk(prepared);
}

PreparedChunk<RealBatch> prepare_events(const EventSpans<double>& events, const Partition& partition, const std::vector<double>& pixelFactor) {
  check_events(events.frame, events.pixel, events.count.size(), partition);
  PreparedChunk<RealBatch> out;
  if (events.frame.empty()) return out;
  list_gains(events, partition, pixelFactor, out.gains);
  out.events = out.gains.size();
  out.cover(events.frame.front(), event_packing().range(events.frame.data(), events.frame.size()).second);
  std::vector<RealBatch::Event> kept;
  kept.reserve(out.events);
  for (std::size_t i = 0; i < events.frame.size(); ++i) {
    const std::uint32_t rank = partition.rankOfPixel[events.pixel[i]];
    if (rank != Partition::kMasked) kept.push_back({events.frame[i], rank, events.count[i]});
  }
  out.batches.emplace_back(kept, tile_count(partition.pixelOfRank.size()));
  return out;
}

}  // namespace xpcs
