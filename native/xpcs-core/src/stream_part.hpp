// The photons of one tile that a part of a stream consists of, and the totals of its pixels where the part begins.
#pragma once
#include <algorithm>
#include <span>

#include "stream_column.hpp"
#include "tile_task.hpp"
#include "word_list.hpp"

namespace xpcs {

using NarrowState = TileState<std::uint32_t, std::int64_t>;  ///< counts that are not negative, up to kNarrowMax of each pixel
using WideState = TileState<std::int64_t, Int128>;

/// Largest total of a pixel that a narrow state holds.
constexpr double kNarrowMax = 2147483647.0;

struct StreamPart {
  const StreamScheme& stream;
  std::span<const TileWords> context;     ///< of frames that the state covers: those that it needs one by one
  std::span<const TileWords> fresh;       ///< of later frames
  std::span<const IntegerBatch> batches;  ///< and of frames after these

  /// visit(frame, local rank, count) for the photons before `end` that the state does not cover.
  template <class Visit>
  void for_each_new(std::size_t tile, std::uint64_t end, Visit visit) const {
    const auto before_end = [&](std::uint32_t frame, std::uint32_t local, std::int64_t count) {
      if (frame < end) visit(frame, local, count);
    };
    for (const TileWords& part : fresh) part.for_each(tile, before_end);
    for (const IntegerBatch& batch : batches) batch.for_each(tile, before_end);
  }
  template <class Visit>
  void for_each(std::size_t tile, std::uint64_t end, Visit visit) const {
    for (const TileWords& part : context) part.for_each(tile, visit);
    for_each_new(tile, end, visit);
  }
  /// Photons that the state does not cover.
  [[nodiscard]] std::size_t size(std::size_t tile) const {
    std::size_t n = 0;
    for (const TileWords& part : fresh) n += part.word.size();
    for (const IntegerBatch& batch : batches) n += batch.size(tile);
    return n;
  }
};

/// The first stop that is not before the frame.
inline std::size_t stops_before(const StopTable& stops, std::uint64_t frame) {
  return static_cast<std::size_t>(std::lower_bound(stops.frame.begin(), stops.frame.end(), frame) - stops.frame.begin());
}

/// What every state takes over from a part: the products, the totals before the delays from the stop `firstHead` on, and the part's end.
/// @param products, snapshots, total of the part; ranges: the runs with the windows that the part closed, which are handed on [runs, windows]
template <class State, class Ranges>
std::vector<std::vector<double>> take_part(const TileTask& task, std::size_t firstHead, const std::vector<typename State::Product>& products,
                                           const std::vector<typename State::Total>& snapshots, const std::vector<typename State::Total>& total, Ranges& ranges, State& state) {
  resize_exactly(state.products, std::max(state.products.size(), products.size()));
  for (std::size_t i = 0; i < products.size(); ++i) state.products[i] += products[i];
  resize_exactly(state.head, task.stops.frame.size() * kTilePixels);
  const auto from = static_cast<std::ptrdiff_t>(firstHead * kTilePixels);
  std::copy(snapshots.begin() + from, snapshots.begin() + static_cast<std::ptrdiff_t>(state.head.size()), state.head.begin() + from);
  state.total.assign(total.begin(), total.end());
  state.frames = task.frames;
  state.windowStart.clear();
  std::vector<std::vector<double>> windows;
  for (auto& range : ranges) {
    state.windowStart.push_back(range.before);
    windows.push_back(std::move(range.windows));
  }
  return windows;
}

/// Totals at the stops before the frames that the state covers end, as far as a delay of the series needs them.
/// @param snapshots [stops, kTilePixels]
template <class State>
void early_totals(const TileTask& task, std::size_t tile, const StreamPart& part, const State& state, typename State::Total* snapshots) {
  using Total = typename State::Total;
  const std::vector<std::uint64_t>& stops = task.stops.frame;
  const std::size_t early = stops_before(task.stops, state.frames);
  std::vector<std::uint8_t> known(early, 0);
  const auto put = [&](std::size_t stop, const Total* totals) {
    std::copy_n(totals, kTilePixels, snapshots + stop * kTilePixels);
    known[stop] = 1;
  };
  for (std::size_t d = 0; d < task.scheme.delays.size(); ++d) {
    if (task.stops.futureFrom[d] < early) put(task.stops.futureFrom[d], state.head.data() + d * kTilePixels);
  }
  // Back from the end: photon by photon, then block by block of every level.
  const std::uint64_t photonsFrom = part.stream.photons_from(state.frames, state.fine);
  std::uint64_t at = StreamScheme::settled(state.fine, state.frames) << state.fine;
  std::vector<std::pair<std::uint64_t, std::size_t>> wanted{{at, early}};  // frame; stop, or `early` for where the levels begin
  for (std::size_t stop = 0; stop < early; ++stop) {
    if (known[stop] == 0 && stops[stop] >= photonsFrom) wanted.emplace_back(stops[stop], stop);
  }
  std::sort(wanted.begin(), wanted.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<ColumnEntry> photons;  // frame << 9 | local rank, count
  for (const TileWords& words : part.context) {
    words.for_each(tile, [&](std::uint32_t frame, std::uint32_t local, std::int64_t count) { photons.push_back({std::uint64_t{frame} << kTileBits | local, count}); });
  }
  std::vector<Total> totals(state.total);
  std::vector<Total> where(kTilePixels);
  for (const auto& [frame, stop] : wanted) {
    for (; !photons.empty() && photons.back().block >> kTileBits >= frame; photons.pop_back()) {
      totals[photons.back().block & (kTilePixels - 1)] -= static_cast<Total>(photons.back().count);
    }
    if (stop < early) put(stop, totals.data());
    else where = totals;
  }
  for (std::uint32_t level = state.fine; level < state.levels.size(); ++level) {
    const std::uint64_t settled = StreamScheme::settled(level, state.frames);
    const std::int64_t waiting = level == state.fine ? 0 : static_cast<std::int64_t>(StreamScheme::received(level, state.frames) - settled);
    for (std::int64_t block = waiting - 1; block >= 0; --block) {
      state.levels[level].subtract(block, where.data());
      const std::size_t stop = stops_before(task.stops, (settled + static_cast<std::uint64_t>(block)) << level);
      if (stop < early && known[stop] == 0 && stops[stop] == (settled + static_cast<std::uint64_t>(block)) << level) put(stop, where.data());
    }
    totals = where;
    for (std::int64_t block = -1; block >= -static_cast<std::int64_t>(std::min<std::uint64_t>(settled, part.stream.lag_max())); --block) {
      state.levels[level].subtract(block, totals.data());
      const std::uint64_t frame = (settled - static_cast<std::uint64_t>(-block)) << level;
      const std::size_t stop = stops_before(task.stops, frame);
      if (stop < early && known[stop] == 0 && stops[stop] == frame) put(stop, totals.data());
    }
  }
}

}  // namespace xpcs
