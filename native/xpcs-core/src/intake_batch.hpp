// Events turned into what the correlator keeps: photons by tile, and what each frame gained. Runs on any thread: depends on nothing
// but its arguments.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "event_store.hpp"
#include "xpcs/correlator.hpp"
#include "xpcs/partition.hpp"

namespace xpcs {

/// Events as they came.
template <class Count>
struct EventSpans {
  std::span<const std::uint32_t> frame, pixel;
  std::span<const Count> count;
};

template <class Batch>
struct PreparedChunk {
  std::vector<Batch> batches;  ///< in order; integer batches cover 65536 frames each
  std::uint64_t events = 0;    ///< on valid pixels
  std::uint64_t frames = 0;    ///< up to the last event's
  std::uint32_t first = 0;     ///< frame of the first event
  /// What frames gained, in the order of arrival: an entry for each event, or for a run of integers of one frame.
  std::vector<std::pair<std::uint32_t, double>> gains;

  /// Events of frames up to `last` are added, the first of which is of this frame.
  void cover(std::uint32_t firstFrame, std::uint32_t last) {
    if (frames == 0) first = firstFrame;
    frames = std::max(frames, std::uint64_t{last} + 1);
  }
};

/// Integer events that come bit by bit. Used again: keeps the memory of `packed`.
struct PreparedEvents {
  PreparedChunk<IntegerBatch> chunk;
  PackedEvents packed;  ///< those of the batch that is open
};

/// @throws invalid_argument lengths that differ, a pixel outside the detector
void add_events(PreparedEvents& to, const EventSpans<std::int64_t>& events, const Partition& partition, const std::vector<double>& pixelFactor);
/// Whether crowded frames are kept in half the memory: not where a batch's words are taken one by one.
enum class Crowding { may, never };

/// @throws invalid_argument a pixel outside the detector
void add_columns(PreparedEvents& to, const EventColumns& events, const Partition& partition, const std::vector<double>& pixelFactor, Crowding crowding);
/// The batch that is open is complete.
void close_batch(PreparedEvents& of);
/// All that was added, complete; nothing is left.
PreparedChunk<IntegerBatch> take_chunk(PreparedEvents& of);
/// Events that come at once. @throws as add_events
PreparedChunk<IntegerBatch> prepare_events(const EventSpans<std::int64_t>& events, const Partition& partition, const std::vector<double>& pixelFactor);
PreparedChunk<RealBatch> prepare_events(const EventSpans<double>& events, const Partition& partition, const std::vector<double>& pixelFactor);

/// @throws invalid_argument lengths that differ, a pixel outside the detector
void check_events(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::size_t counts, const Partition& partition);

}  // namespace xpcs
