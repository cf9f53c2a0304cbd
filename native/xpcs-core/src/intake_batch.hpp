// One chunk of pushed events turned into what the correlator keeps: photons by tile, and what each frame gained. Runs on
// a worker thread: depends on nothing but its arguments.
#pragma once
#include <cstdint>
#include <vector>

#include "event_store.hpp"
#include "xpcs/partition.hpp"

namespace xpcs {

/// Events as they were pushed.
template <class Count>
struct RawChunk {
  std::vector<std::uint32_t> frame, pixel;
  std::vector<Count> count;
  [[nodiscard]] std::size_t size() const noexcept { return frame.size(); }
};

template <class Batch>
struct PreparedChunk {
  std::vector<Batch> batches;  ///< in order; integer batches cover 65536 frames each
  std::uint64_t events = 0;    ///< on valid pixels
  /// What each frame gained: whole frames frameStart.. where the chunk spans few frames, else one entry an event.
  std::uint64_t frameStart = 0;
  std::vector<double> gained;
  std::vector<std::pair<std::uint32_t, double>> gains;
};

PreparedChunk<IntegerBatch> prepare(const RawChunk<std::int64_t>& chunk, const Partition& partition, const std::vector<double>& pixelFactor);
PreparedChunk<RealBatch> prepare(const RawChunk<double>& chunk, const Partition& partition, const std::vector<double>& pixelFactor);

}  // namespace xpcs
