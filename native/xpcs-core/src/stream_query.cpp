#include "stream_query.hpp"

namespace xpcs {
namespace {

/// Past and future sums of a few photons: what EdgeTable gives, without a table of all frames.
/// @param past, future [D + 1]; the last element is scratch
void few_edges(const Scheme& scheme, const StreamScheme& stream, std::span<const std::uint32_t> t, std::span<const std::int64_t> v, std::int64_t* past,
               std::int64_t* future) {
  const std::size_t D = scheme.delays.size();
  std::fill(past, past + D + 1, std::int64_t{0});
  std::fill(future, future + D + 1, std::int64_t{0});
  for (std::size_t i = 0; i < t.size(); ++i) {
    const auto leavesPast = std::partition_point(scheme.delays.begin(), scheme.delays.end(), [&](const Delay& delay) { return delay.pastEnd > t[i]; });
    // A level's last whole block ends behind the frame where frame and end differ above the level's bits.
    const auto whole = static_cast<std::uint32_t>(std::bit_width(t[i] ^ scheme.frames));
    past[leavesPast - scheme.delays.begin()] += v[i];
    future[std::min({stream.delays(whole), stream.delays_within(t[i]), D})] += v[i];
  }
  // A frame that leaves at delay d belongs to all delays before d.
  std::int64_t pastSum = past[D];
  std::int64_t futureSum = future[D];
  for (std::size_t d = D; d-- > 0;) {
    pastSum += std::exchange(past[d], pastSum);
    futureSum += std::exchange(future[d], futureSum);
  }
}

/// A pixel's magnitude and its total.
struct Counts {
  double magnitude, total;
};

/// Folds the photons of the log into a copy of the pixel's state and takes its curve. Returns whether products are in curve.narrow.
template <class State, class Fold>
Counts take_curve(const TileTask& task, const StreamScheme& stream, State& state, std::span<const std::uint32_t> t, std::span<const std::int64_t> v,
                  Fold& scratch, CurveScratch<std::int64_t>& curve) {
  fold(state, stream, t, v, static_cast<std::uint32_t>(task.frames - 1), scratch);
  const std::size_t D = task.scheme.delays.size();
  curve.g.resize(D);
  const auto take = [&](auto& products) {
    products.resize(D);
    sums_at_end(state, stream, task.scheme, products.data(), curve.past.data(), curve.future.data());
    for (std::size_t d = 0; d < D; ++d) curve.g[d] = static_cast<double>(products[d]);
  };
  if constexpr (std::is_same_v<State, WideState>) take(curve.wide);
  else take(curve.narrow);
  double total = 0;
  for (const auto value : state.head) total += static_cast<double>(value);
  return {static_cast<double>(state.magnitude), total};
}

}  // namespace

std::vector<RunSums<Int128>> query_tile(const TileTask& task, const StreamScheme& stream, std::size_t index, const StreamTile& tile, QueryScratch& scratch,
                                        std::vector<double>& pixelMean) {
  const Partition& part = task.part;
  StreamScratch& photons = scratch.photons;
  CurveScratch<std::int64_t>& curve = scratch.curve;
  tile.sort(photons);
  const std::size_t D = task.scheme.delays.size();
  curve.past.resize(D + 1);
  curve.future.resize(D + 1);
  const auto first = static_cast<std::uint32_t>(index * kTilePixels);
  std::vector<RunSums<Int128>> runs;
  std::uint32_t runFirst = 0;
  std::uint32_t runEnd = first;
  for (std::uint32_t local = 0; local < tile.pixels(); ++local) {
    const std::uint32_t rank = first + local;
    if (rank == runEnd) {
      if (!runs.empty()) curve.lanes.end(task, runs.back());
      curve.lanes.begin(task, runs.emplace_back(new_run<Int128>(task, rank)));
      runFirst = rank;
      runEnd = run_end(part, rank, first + tile.pixels());
    }
    RunSums<Int128>& run = runs.back();
    const auto t = photons.frames_of(local);
    const auto v = photons.counts_of(local);
    const PixelSlot* slot = tile.slot(local);
    if (t.empty() && slot == nullptr) continue;
    const std::uint32_t pixel = part.pixelOfRank[rank];
    Counts counts{magnitude_of(v), 0};
    bool narrow = true;
    if (slot == nullptr) {
      for (const std::int64_t value : v) counts.total += static_cast<double>(value);
      if (part.correlated[rank] != 0) {
        few_edges(task.scheme, stream, t, v, curve.past.data(), curve.future.data());
        const std::span<std::uint32_t> frames(photons.frame.data() + photons.start[local], t.size());
        const std::span<std::int64_t> values(photons.count.data() + photons.start[local], t.size());
        narrow = products<std::int64_t>(task.scheme, frames, values, counts.magnitude, curve);
      }
    } else if (slot->narrow && counts.magnitude + slot->narrow->magnitude <= kNarrowMax) {
      photons.narrowState = *slot->narrow;
      counts = take_curve(task, stream, photons.narrowState, t, v, photons.narrow, curve);
    } else {
      photons.wideState = slot->wide ? *slot->wide : WideState(*slot->narrow);
      check_magnitude(counts.magnitude + static_cast<double>(photons.wideState.magnitude));
      counts = take_curve(task, stream, photons.wideState, t, v, photons.wide, curve);
      narrow = false;
    }
    run.total += counts.total;
    pixelMean[pixel] = task.per_frame(counts.total);
    if (part.correlated[rank] != 0) finish_pixel<Int128>(task, rank - runFirst, pixel, 1.0, narrow, curve, run);
  }
  curve.lanes.end(task, runs.back());
  return runs;
}

}  // namespace xpcs
