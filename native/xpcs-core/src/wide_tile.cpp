#include "wide_tile.hpp"

#include <cmath>

#include "stream_finish.hpp"

namespace xpcs {

void WideTile::begin(const TileTask& task, std::size_t tile, const StreamPart& part, const WideState& state) {
  task_ = &task;
  part_ = &part;
  state_ = &state;
  tile_ = tile;
  first_ = static_cast<std::uint32_t>(tile * kTilePixels);
  pixels_ = static_cast<std::uint32_t>(std::min<std::size_t>(kTilePixels, task.part.pixelOfRank.size() - first_));
  products_.assign(task.scheme.delays.size() * kTilePixels, 0);
  snapshots_.assign(task.stops.frame.size() * kTilePixels, 0);
  total_ = state.total;
  magnitude_ = state.magnitude;
  total_.resize(kTilePixels, 0);
  magnitude_.resize(kTilePixels, 0.0);
  photons_.resize(kTilePixels);
  for (auto& photons : photons_) photons.clear();
  ranges_ = run_windows(task.part, first_, pixels_);
  for (std::size_t i = 0; i < state.windowStart.size(); ++i) ranges_[i].before = state.windowStart[i];
  window_ = task.windows() > 0 ? state.frames / task.options.staticWindow : 0;
}

void WideTile::stop_until(std::uint64_t frame) {
  const std::vector<std::uint64_t>& stops = task_->stops.frame;
  for (; nextSnapshot_ < stops.size() && stops[nextSnapshot_] <= frame; ++nextSnapshot_) {
    std::copy_n(total_.data(), kTilePixels, snapshots_.data() + nextSnapshot_ * kTilePixels);
  }
  for (; window_ < task_->windows() && (window_ + 1) * task_->options.staticWindow <= frame; ++window_) {
    for (RunWindows& range : ranges_) {
      double sum = 0;
      for (std::uint32_t p = range.from; p < range.to; ++p) sum += task_->factor(task_->part.pixelOfRank[first_ + p]) * static_cast<double>(total_[p]);
      range.close(sum);
    }
  }
}

void WideTile::walk() {
  std::uint64_t now = 0;
  const auto take = [&](std::uint32_t frame, std::uint32_t pixel, std::int64_t count) {
    auto& photons = photons_[pixel];
    if (!photons.empty() && photons.back().block == frame) photons.back().count += count;
    else photons.push_back({frame, count});
  };
  for (const TileWords& words : part_->context) words.for_each(tile_, take);
  part_->for_each_new(tile_, task_->frames, [&](std::uint32_t frame, std::uint32_t pixel, std::int64_t count) {
    if (frame != now) stop_until(now = frame);
    total_[pixel] += count;
    magnitude_[pixel] += std::abs(static_cast<double>(count));
    if (magnitude_[pixel] >= 9.0e18) throw Error(Code::invalid_argument, "one pixel counts more than 9e18 photons: the sums would overflow");
    take(frame, pixel, count);
  });
  stop_until(task_->frames);
}

void WideTile::columns(const ColumnKeep* keep) {
  for (std::uint32_t pixel = 0; pixel < pixels_; ++pixel) {
    scratch_.photons.swap(photons_[pixel]);
    walk_column(task_->scheme, {part_->stream, state_->frames, state_->fine, state_->levels}, pixel, scratch_, products_.empty() ? nullptr : products_.data() + pixel, keep);
  }
}

std::vector<std::vector<double>> WideTile::fold(const TileTask& task, std::size_t tile, const StreamPart& part, std::uint32_t fine, WideState& state) {
  begin(task, tile, part, state);
  nextSnapshot_ = state.head.size() / kTilePixels;
  const std::size_t firstHead = nextSnapshot_;
  walk();
  std::vector<KeptLevel> levels(task.scheme.levels);
  const ColumnKeep keep{task.frames, fine, &levels};
  for (std::uint32_t level = fine; level < levels.size(); ++level) levels[level] = KeptLevel(KeptLevel::Form::ints, (pixels_ + kLanes - 1) / kLanes, part.stream.lag_max());
  columns(&keep);
  state.magnitude = magnitude_;
  state.fine = fine;
  state.levels = std::move(levels);
  return take_part(task, firstHead, products_, snapshots_, total_, ranges_, state);
}

template <class Sum>
std::vector<RunSums<Sum>> WideTile::answer(const TileTask& task, std::size_t tile, const StreamPart& part, const WideState& state, std::vector<double>& pixelMean) {
  begin(task, tile, part, state);
  nextSnapshot_ = stops_before(task.stops, state.frames);
  walk();
  columns(nullptr);
  for (std::size_t i = 0; i < std::min(products_.size(), state.products.size()); ++i) products_[i] += state.products[i];
  if (state.frames > 0) early_totals(task, tile, part, state, snapshots_.data());
  std::vector<RunSums<Sum>> runs = finish_columns<Sum>(task, first_, pixels_, products_.data(), snapshots_.data(), total_.data(), pixelMean);
  for (std::size_t i = 0; i < runs.size(); ++i) runs[i].windows = std::move(ranges_[i].windows);
  return runs;
}

template std::vector<RunSums<Int128>> WideTile::answer(const TileTask&, std::size_t, const StreamPart&, const WideState&, std::vector<double>&);
template std::vector<RunSums<double>> WideTile::answer(const TileTask&, std::size_t, const StreamPart&, const WideState&, std::vector<double>&);

}  // namespace xpcs
