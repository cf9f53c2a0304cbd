// The loops over every event on its way into a batch, for each instruction set. They decide nothing: event_store.hpp and
// intake_batch.hpp say what the words mean.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace xpcs {

/// Events of one frame, to be packed into words and counted by tile. Word: uint32, or uint16 for crowded frames.
template <class Word>
struct PackTask {
  const std::uint32_t* pixel;        ///< [n + ahead]
  std::size_t n;
  std::size_t ahead;                 ///< pixels behind them, whose ranks are needed next
  const std::uint32_t* rankOfPixel;  ///< of all pixels that are named
  std::uint32_t high;                ///< or-ed into every word; 0 for crowded frames
  std::uint32_t none;                ///< tile of events without a rank; of crowded frames also of those with count 0
  Word* word;                        ///< [n] out: high | rank within the tile | count, or the escape in its place
  Word* tile;                        ///< [n] out
  /// [none + 1] each: events of every tile, added to. Two, because neighbours often go to one tile and would wait for each other.
  std::uint32_t *even, *odd;
};

struct Packed {
  std::int64_t gained = 0;    ///< sum over the events with a rank of what the words hold as count
  std::uint64_t valid = 0;    ///< events with a rank
  std::uint64_t escapes = 0;  ///< words that hold the escape
};

struct EventPacking {
  const char* name;
  /// The lowest and the highest value. n is not 0.
  std::pair<std::uint32_t, std::uint32_t> (*range)(const std::uint32_t* values, std::size_t n);
  /// Values at the front that equal the first. n is not 0.
  std::size_t (*run)(const std::uint32_t* values, std::size_t n);
  Packed (*pack)(const PackTask<std::uint32_t>& task, const std::int64_t* count);
  /// Counts of two bytes: a negative one is an escape, as any from the escape on.
  Packed (*pack_short)(const PackTask<std::uint32_t>& task, const std::uint16_t* count);
  Packed (*pack_crowded)(const PackTask<std::uint16_t>& task, const std::uint16_t* count);
};

/// Null for a set that is not there.
const EventPacking* event_packing_named(const char* name);
/// The fastest on this CPU.
const EventPacking& event_packing();

}  // namespace xpcs
