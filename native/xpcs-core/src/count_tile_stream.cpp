// The parts of a stream: a part begins where the tile's state ends, and its photons are walked as those of a whole series are
// (count_tile.cpp). Blocks are settled in steps of eight, whichever level the series begin at, so that every part goes on where the last
// one ended: levels with few photons in reach have them one by one, the others have blocks.
#include <limits>

#include "count_tile.hpp"
#include "series_base.hpp"
#include "stream_finish.hpp"

namespace xpcs {
namespace {

/// Blocks that wait in a level above the base where a part begins.
std::uint32_t waiting_at(std::uint32_t level, std::uint64_t frames) {
  return static_cast<std::uint32_t>(StreamScheme::received(level, frames) - StreamScheme::settled(level, frames));
}

}  // namespace

std::uint32_t part_base(const StreamScheme& stream, std::uint64_t frames, double photons) { return series_base(Scheme(frames, stream.dpl()), photons); }

void CountTile::begin_part(const TileTask& task, std::size_t tile, const StreamPart& part, const NarrowState& state, std::uint32_t baseMax) {
  const std::size_t pixels = std::min<std::size_t>(kTilePixels, task.part.pixelOfRank.size() - tile * kTilePixels);
  std::uint32_t base = part_base(part.stream, task.frames - state.frames, static_cast<double>(part.size(tile)) / static_cast<double>(pixels));
  base = std::min({base, state.fine, baseMax});
  // A photon's frame and reach must not wrap around.
  if (base > 0 && task.frames + ((std::uint64_t{4} * task.scheme.dpl + 4) << base) > std::numeric_limits<std::uint32_t>::max()) base = 0;
  begin(task, tile, base);
  if (state.frames == 0) return;
  settledEnd_.clear();
  for (std::uint32_t level = 0; level < task.scheme.levels; ++level) settledEnd_.push_back(StreamScheme::settled(level, state.frames) << level);
  std::copy_n(state.total.data(), kTilePixels, total_.data());
  nextSnapshot_ = stops_before(task.stops, state.frames);
  chunkStart_ = StreamScheme::settled(base_, state.frames);
  if (task.windows() > 0) {
    window_ = state.frames / task.options.staticWindow;
    windowEnd_ = window_ < task.windows() ? (window_ + 1) * std::uint64_t{task.options.staticWindow} : std::numeric_limits<std::uint64_t>::max();
  }
  for (std::size_t i = 0; i < state.windowStart.size(); ++i) ranges_[i].before = state.windowStart[i];
  if (base_ < task.scheme.levels) load_levels(state);
  walk_again(part, state);
}

/// The blocks that were kept. Those of other levels come photon by photon.
void CountTile::load_levels(const NarrowState& state) {
  const auto end = static_cast<std::uint32_t>(std::min<std::size_t>(task_->scheme.levels, state.levels.size()));
  for (std::uint32_t level = base_; level < end; ++level) {
    const std::uint32_t waiting = level == base_ ? 0 : waiting_at(level, state.frames);
    if (level > state.fine) {
      levels_.load(level, state.levels[level], waiting);
    } else if (level > base_) {
      if (level == state.fine) levels_.load(level, state.levels[level], 0);
      levels_.wait(level, waiting);
    } else if (level == state.fine) {
      load_base(state.levels[level]);
    }
  }
}

/// The level whose chunk is filled photon by photon is one of bytes.
void CountTile::load_base(const KeptLevel& kept) {
  if (kept.form() == KeptLevel::Form::bytes) return levels_.load(base_, kept, 0);
  for (std::uint32_t pixel = 0; pixel < pixels_; ++pixel) {
    for (std::int64_t block = -static_cast<std::int64_t>(task_->scheme.lag_max()); block < 0; ++block) {
      if (!levels_.put(base_, block, pixel, static_cast<std::uint32_t>(kept.get(block, pixel)))) set_apart(pixel);
    }
  }
}

void CountTile::set_apart(std::uint32_t pixel) {
  apart_[pixel] = 1;
  anyApart_ = true;
}

/// Photons of frames that the state covers: as what later ones meet, and in the blocks that are not settled.
void CountTile::walk_again(const StreamPart& part, const NarrowState& state) {
  const std::uint32_t last = base_ < task_->scheme.levels ? std::min(state.fine, task_->scheme.levels - 1) : 0;
  const auto lagMax = static_cast<std::int64_t>(task_->scheme.lag_max());
  const auto take = [&](std::uint32_t frame, std::uint32_t pixel, std::int64_t large) {
    const auto count = static_cast<std::uint32_t>(large);
    for (std::uint32_t level = base_; base_ < task_->scheme.levels && level <= last; ++level) {
      const std::int64_t block = static_cast<std::int64_t>(frame >> level) - static_cast<std::int64_t>(StreamScheme::settled(level, state.frames));
      const bool kept = level == state.fine && block < 0 && level < state.levels.size();
      if (block < -lagMax || kept) continue;
      const std::int64_t end = level == base_ ? static_cast<std::int64_t>(task_->scheme.blocks(level) - chunkStart_) : waiting_at(level, state.frames);
      if (block < end && !levels_.put(level, block, pixel, count)) set_apart(pixel);
    }
    if (base_ == 0) return;
    const std::uint64_t before = latest_[pixel];
    const std::uint32_t shifted = frame + pairReach_ + 1;
    latest_[pixel] = std::uint64_t{shifted} << 32 | count;
    if (shifted - static_cast<std::uint32_t>(before >> 32) <= pairReach_ && !pair<true>(pixel, frame, count, before)) set_apart(pixel);
  };
  for (const TileWords& words : part.context) words.for_each(tile_, take);
}

void CountTile::walk_part(const StreamPart& part) {
  walk_events(part.fresh);
  walk_events(part.batches);
}

/// Pixels that did not fit, by themselves.
void CountTile::columns_apart(const StreamPart& part, const NarrowState& state, const ColumnKeep* keep) {
  if (!anyApart_) return;
  apartPhotons_.resize(kTilePixels);
  for (auto& photons : apartPhotons_) photons.clear();
  part.for_each(tile_, task_->frames, [&](std::uint32_t frame, std::uint32_t pixel, std::int64_t count) {
    if (apart_[pixel] != 0 && count != 0) apartPhotons_[pixel].emplace_back(frame, static_cast<std::uint32_t>(count));
  });
  for (std::uint32_t pixel = 0; pixel < pixels_; ++pixel) {
    if (apart_[pixel] == 0) continue;
    stream_.photons.clear();
    for (const auto& [frame, count] : apartPhotons_[pixel]) {
      if (!stream_.photons.empty() && stream_.photons.back().block == frame) stream_.photons.back().count += count;
      else stream_.photons.push_back({frame, count});
    }
    for (std::size_t d = 0; d < task_->scheme.delays.size(); ++d) products_[d * kTilePixels + pixel] = 0;
    walk_column(task_->scheme, {part.stream, state.frames, state.fine, state.levels}, pixel, stream_, products_.data() + pixel, keep);
  }
}

std::vector<std::vector<double>> CountTile::fold(const TileTask& task, std::size_t tile, const StreamPart& part, std::uint32_t fine, NarrowState& state) {
  begin_part(task, tile, part, state, task.scheme.levels - 1);
  nextSnapshot_ = state.head.size() / kTilePixels;
  const std::size_t firstHead = nextSnapshot_;
  walk_part(part);
  close_stops();
  levels_.settle(static_cast<std::uint32_t>((task.frames >> base_) - chunkStart_));

  const ColumnKeep keep{task.frames, std::max(fine, base_), &kept_};
  kept_.clear();
  kept_.resize(task.scheme.levels);
  for (std::uint32_t level = keep.fine; level < task.scheme.levels; ++level) kept_[level] = levels_.keep(level);
  columns_apart(part, state, &keep);

  state.fine = keep.fine;
  state.levels.swap(kept_);
  kept_.clear();
  return take_part(task, firstHead, products_, snapshots_, total_, ranges_, state);
}

template <class Sum>
std::vector<RunSums<Sum>> CountTile::answer(const TileTask& task, std::size_t tile, const StreamPart& part, const NarrowState& state, std::vector<double>& pixelMean) {
  begin_part(task, tile, part, state, task.scheme.levels);
  walk_part(part);
  end_series();
  columns_apart(part, state, nullptr);
  for (std::size_t i = 0; i < std::min(products_.size(), state.products.size()); ++i) products_[i] += state.products[i];
  if (state.frames > 0) early_totals(task, tile, part, state, snapshots_.data());
  double counts = 0;
  for (const std::uint32_t total : total_) counts += total;
  // Sums over the pixels of a row are of 64 bits.
  if (counts <= kNarrowMax) return finish<Sum>(pixelMean);
  std::vector<RunSums<Sum>> runs = finish_columns<Sum>(task, first_, pixels_, products_.data(), snapshots_.data(), total_.data(), pixelMean);
  for (std::size_t i = 0; i < runs.size(); ++i) runs[i].windows = std::move(ranges_[i].windows);
  return runs;
}

template std::vector<RunSums<Int128>> CountTile::answer(const TileTask&, std::size_t, const StreamPart&, const NarrowState&, std::vector<double>&);
template std::vector<RunSums<double>> CountTile::answer(const TileTask&, std::size_t, const StreamPart&, const NarrowState&, std::vector<double>&);

}  // namespace xpcs
