#include "count_tile.hpp"

#include <algorithm>
#include <type_traits>

#include "pixel_products.hpp"
#include "series_base.hpp"
#include "tile_sums.hpp"

namespace xpcs {
namespace {

constexpr std::uint64_t kNever = ~std::uint64_t{0};

/// The first photons of the next batch lie somewhere else in memory.
template <class Batch>
void prefetch(const Batch& batch, std::size_t tile) {
  const auto lines = [](auto words) {
    const std::size_t perLine = 64 / sizeof words[0];
    for (std::size_t i = 0; i < words.size() && i < 8 * perLine; i += perLine) __builtin_prefetch(words.data() + i);
  };
  if constexpr (std::is_same_v<Batch, IntegerBatch>) {
    if (batch.crowded()) return lines(batch.crowded_words(tile));
  }
  lines(batch.words(tile));
}

/// The level where series begin, from the photons in the tile.
std::uint32_t base_for(const TileTask& task, std::size_t tile, double photons) {
  const std::size_t first = tile * kTilePixels;
  return series_base(task.scheme, photons / static_cast<double>(std::min<std::size_t>(kTilePixels, task.part.pixelOfRank.size() - first)));
}

}  // namespace

void CountTile::begin(const TileTask& task, std::size_t tile, std::uint32_t base) {
  task_ = &task;
  tile_ = static_cast<std::uint32_t>(tile);
  first_ = tile_ * kTilePixels;
  pixels_ = static_cast<std::uint32_t>(std::min<std::size_t>(kTilePixels, task.part.pixelOfRank.size() - first_));
  products_.assign(task.scheme.delays.size() * kTilePixels, 0);
  snapshots_.resize(task.stops.frame.size() * kTilePixels);
  total_.assign(kTilePixels, 0);
  recent_.assign(kTilePixels, {});
  latest_.assign(kTilePixels, 0);
  apart_.assign(kTilePixels, 0);
  anyApart_ = false;
  offset_.resize(kTilePixels);
  if (!task.options.pixelFactor.empty()) {
    factor_.assign(kTilePixels, 0.0);
    alive_.assign(kTilePixels, 0.0);
    for (std::uint32_t p = 0; p < pixels_; ++p) {
      factor_[p] = task.factor(task.part.pixelOfRank[first_ + p]);
      alive_[p] = factor_[p] == 0 ? 0.0 : 1.0;
    }
  }
  base_ = base;
  pairReach_ = base_ == 0 ? 0 : static_cast<std::uint32_t>(std::min(std::uint64_t{2 * task.scheme.dpl + 1} << (base_ - 1), task.frames));
  chunkStart_ = 0;
  if (base_ < task.scheme.levels) {
    levels_.begin(task.scheme, base_, (pixels_ + kLanes - 1) / kLanes, products_.data(), kTilePixels);
    for (std::uint32_t p = 0; p < pixels_; ++p) offset_[p] = static_cast<std::uint32_t>(levels_.offset_of_pixel(p));
  }
  ranges_ = run_windows(task.part, first_, pixels_);
  nextSnapshot_ = 0;
  window_ = 0;
  windowEnd_ = task.windows() > 0 ? task.options.staticWindow : kNever;
  stop_ = 0;
}

/// All stops up to the frame; afterwards stop_ is the next one.
void CountTile::stop_until(std::uint64_t frame) {
  const StopTable& stops = task_->stops;
  while (nextSnapshot_ < stops.frame.size() && stops.frame[nextSnapshot_] <= frame) {
    std::copy_n(total_.data(), pixels_, snapshots_.data() + nextSnapshot_ * kTilePixels);
    ++nextSnapshot_;
  }
  while (windowEnd_ <= frame) close_window();
  std::uint64_t chunkEnd = kNever;
  if (base_ < task_->scheme.levels) {
    if (const std::uint64_t block = frame >> base_; block >= chunkStart_ + LaneLevels::kChunk) {
      const std::uint64_t chunks = (block - chunkStart_) / LaneLevels::kChunk;
      levels_.flush();
      levels_.flush_empty(chunks - 1);
      chunkStart_ += chunks * LaneLevels::kChunk;
    }
    chunkEnd = (chunkStart_ + LaneLevels::kChunk) << base_;
  }
  const std::uint64_t snapshot = nextSnapshot_ < stops.frame.size() ? stops.frame[nextSnapshot_] : kNever;
  stop_ = std::min({snapshot, windowEnd_, chunkEnd, task_->frames});
}

void CountTile::close_window() {
  for (RunWindows& range : ranges_) {
    double sum = 0;
    if (task_->options.pixelFactor.empty()) {
      std::uint32_t low = 0;  // halves, of which a tile's fit: they add up without getting wider
      std::uint32_t high = 0;
      for (std::uint32_t p = range.from; p < range.to; ++p) {
        low += total_[p] & 0xFFFF;
        high += total_[p] >> 16;
      }
      sum = static_cast<double>((std::uint64_t{high} << 16) + low);
    } else {
      for (std::uint32_t p = range.from; p < range.to; ++p) sum += factor_[p] * total_[p];
    }
    range.close(sum);
  }
  ++window_;
  windowEnd_ = window_ < task_->windows() ? (window_ + 1) * std::uint64_t{task_->options.staticWindow} : kNever;
}

/// A photon meets the one before it, which lies within reach, and those before that. False where they are too many to be known.
/// kAgain: of its pairs a stream has counted those whose later block was settled.
template <bool kAgain>
bool CountTile::pair(std::uint32_t pixel, std::uint32_t frame, std::uint32_t count, std::uint64_t latest) {
  Recent& recent = recent_[pixel];
  const std::uint32_t shift = pairReach_ + 1;
  const std::uint32_t shifted = frame + shift;
  const auto meet = [&](std::uint32_t then, std::uint64_t countThen) {
    if (shifted == then) return;  // another count of the same frame
    const auto product = static_cast<std::int64_t>(countThen * count);
    for_each_delay(task_->scheme, then - shift, frame, base_, [&](std::size_t d) {
      if constexpr (kAgain) {
        if (frame < settledEnd_[task_->scheme.delays[d].level]) return;
      }
      products_[d * kTilePixels + pixel] += product;
    });
  };
  meet(static_cast<std::uint32_t>(latest >> 32), latest & 0xFFFFFFFF);
  std::uint32_t met = 0;
  for (; met < kRecent; ++met) {
    const std::uint64_t photon = recent.photon[(recent.newest + kRecent - met) % kRecent];
    if (shifted - static_cast<std::uint32_t>(photon >> 32) > pairReach_) break;
    meet(static_cast<std::uint32_t>(photon >> 32), photon & 0xFFFFFFFF);
  }
  recent.newest = (recent.newest + 1) % kRecent;
  recent.photon[recent.newest] = latest;
  return met < kRecent;
}

template bool CountTile::pair<true>(std::uint32_t, std::uint32_t, std::uint32_t, std::uint64_t);

template <bool kSeries, bool kPairs, class Batch>
void CountTile::walk_as(std::span<const Batch> batches) {
  // Copies in registers: a store of a byte could change any member.
  std::uint8_t* const chunk = kSeries ? levels_.chunk() : nullptr;
  const std::uint32_t base = base_;
  const auto frames = static_cast<std::uint32_t>(task_->frames);
  const auto seriesBlocks = static_cast<std::uint32_t>(kSeries ? task_->scheme.blocks(base_) : 0);
  std::uint32_t* const total = total_.data();
  const std::uint32_t* const offset = offset_.data();
  std::uint64_t* const latest = latest_.data();
  const std::uint32_t reach = pairReach_;
  std::uint32_t stop = 0;
  std::uint32_t chunkStart = 0;
  const std::int64_t* large = nullptr;
  std::uint32_t frame = 0;
  std::uint8_t* block = nullptr;  // of the frame, where it has one

  // False where the series is over.
  const auto go_to = [&](std::uint32_t next) __attribute__((always_inline)) {
    frame = next;
    if (frame >= stop) {
      if (frame >= frames) return false;
      stop_until(frame);
      stop = static_cast<std::uint32_t>(stop_);
      chunkStart = static_cast<std::uint32_t>(chunkStart_);
    }
    if constexpr (kSeries) block = frame >> base < seriesBlocks ? chunk + LaneLevels::offset_of_block((frame >> base) - chunkStart) : nullptr;
    return true;
  };
  const auto take = [&](std::uint32_t pixel, std::uint32_t count) __attribute__((always_inline)) {
    if (count == IntegerBatch::kEscape) count = static_cast<std::uint32_t>(*large++);
    total[pixel] += count;
    bool fits = true;
    if constexpr (kSeries) {
      if (block != nullptr) {
        std::uint8_t& here = block[offset[pixel]];
        const std::uint32_t sum = here + count;
        fits = sum <= kLaneByteMax;
        here = static_cast<std::uint8_t>(fits ? sum : 0);
      }
    }
    if constexpr (kPairs) {
      const std::uint64_t before = latest[pixel];
      const std::uint32_t shifted = frame + reach + 1;
      latest[pixel] = std::uint64_t{shifted} << 32 | count;
      if (shifted - static_cast<std::uint32_t>(before >> 32) <= reach) fits = pair<false>(pixel, frame, count, before) && fits;
    }
    if (!fits) {
      apart_[pixel] = 1;
      anyApart_ = true;
    }
  };

  for (std::size_t at = 0; at < batches.size(); ++at) {
    const Batch& batch = batches[at];
    if (at + 1 < batches.size()) prefetch(batches[at + 1], tile_);
    large = batch.large(tile_).data();
    if constexpr (std::is_same_v<Batch, IntegerBatch>) {
      if (batch.crowded()) {
        frame = batch.base();
        for (const std::uint32_t word : batch.crowded_words(tile_)) {
          const std::uint32_t count = word & IntegerBatch::kEscape;
          if (count != 0) take(word >> IntegerBatch::kRankShift, count);
          else if (!go_to(frame + (word >> IntegerBatch::kRankShift))) return;
        }
        continue;
      }
    }
    const std::uint32_t batchBase = batch.base();
    for (const std::uint32_t word : batch.words(tile_)) {
      if (!go_to(batchBase + (word >> IntegerBatch::kFrameShift))) return;
      take(word >> IntegerBatch::kRankShift & (kTilePixels - 1), word & IntegerBatch::kEscape);
    }
  }
}

template <class Batch>
void CountTile::walk_events(std::span<const Batch> batches) {
  const bool series = base_ < task_->scheme.levels;
  if (base_ == 0 && series) walk_as<true, false>(batches);
  else if (series) walk_as<true, true>(batches);
  else walk_as<false, true>(batches);
}
template void CountTile::walk_events(std::span<const IntegerBatch>);
template void CountTile::walk_events(std::span<const TileWords>);

/// The stops that are left when all photons are in.
void CountTile::close_stops() {
  // The last stop of all is the end of the series.
  stop_until(task_->frames > 0 ? task_->frames - 1 : 0);
  const std::size_t stops = task_->stops.frame.size();
  for (; nextSnapshot_ < stops; ++nextSnapshot_) std::copy_n(total_.data(), pixels_, snapshots_.data() + nextSnapshot_ * kTilePixels);
  while (windowEnd_ != kNever) close_window();
}

void CountTile::end_series() {
  close_stops();
  if (base_ < task_->scheme.levels) levels_.finish(static_cast<std::uint32_t>(task_->scheme.blocks(base_) - std::min<std::uint64_t>(chunkStart_, task_->scheme.blocks(base_))));
}

/// One pixel by itself, from its photons.
void CountTile::correlate_pixel(std::uint32_t pixel) {
  frames_.clear();
  counts_.clear();
  double magnitude = 0;
  for (const auto& [frame, count] : apartPhotons_[pixel]) {
    magnitude += count;
    if (!frames_.empty() && frames_.back() == frame) {
      counts_.back() += count;
      continue;
    }
    frames_.push_back(frame);
    counts_.push_back(count);
  }
  column_.assign(task_->scheme.delays.size(), 0);
  add_products<std::int64_t>(task_->scheme, frames_, counts_, magnitude, series_, column_.data());
  for (std::size_t d = 0; d < column_.size(); ++d) products_[d * kTilePixels + pixel] = column_[d];
}

void CountTile::correlate_apart(std::span<const IntegerBatch> batches) {
  if (!anyApart_) return;
  apartPhotons_.resize(kTilePixels);
  for (auto& photons : apartPhotons_) photons.clear();
  for (const IntegerBatch& batch : batches) {
    batch.for_each(tile_, [&](std::uint32_t frame, std::uint32_t pixel, std::int64_t count) {
      if (apart_[pixel] != 0 && frame < task_->frames && count != 0) apartPhotons_[pixel].emplace_back(frame, static_cast<std::uint32_t>(count));
    });
  }
  for (std::uint32_t pixel = 0; pixel < pixels_; ++pixel) {
    if (apart_[pixel] != 0) correlate_pixel(pixel);
  }
}

template <class Sum>
void CountTile::add_rows(RunSums<Sum>& run, std::uint32_t from, std::uint32_t n) {
  const std::size_t D = task_->scheme.delays.size();
  const bool real = !task_->options.pixelFactor.empty();
  const bool small = *std::max_element(total_.begin() + from, total_.begin() + from + n) <= kSmallTotal;
  const auto snapshot = [&](std::uint32_t stop) { return snapshots_.data() + std::size_t{stop} * kTilePixels + from; };
  const std::size_t slots = group_slots(task_->groups, run.staticBin);
  std::int64_t wholes[3 * kGroupsMax];
  double reals[3 * kGroupsMax];
  for (std::size_t d = 0; d < D; ++d) {
    const CurveRow row{products_.data() + d * kTilePixels + from, snapshot(task_->stops.past[d]), snapshot(task_->stops.futureFrom[d]),
                       snapshot(task_->stops.futureEnd[d]), task_->scheme.terms[d], small};
    if (real) std::fill_n(reals, 3 * slots, 0.0);
    else std::fill_n(wholes, 3 * slots, std::int64_t{0});
    const RowSums sums = sum_row(row, n, real ? factor_.data() + from : nullptr, real ? alive_.data() + from : nullptr, {slots, wholes, reals});
    if (real) take_groups(*task_, d, reals, run);
    else take_groups(*task_, d, wholes, run);
    if constexpr (std::is_same_v<Sum, double>) {
      run.g2[d] = real ? sums.realProducts : static_cast<double>(sums.products);
      run.past[d] = real ? sums.realPast : static_cast<double>(sums.past);
      run.future[d] = real ? sums.realFuture : static_cast<double>(sums.future);
    } else {
      run.g2[d] = sums.products;
      run.past[d] = sums.past;
      run.future[d] = sums.future;
    }
    const double spread[6] = {sums.gg, sums.gp, sums.gf, sums.pp, sums.pf, sums.ff};
    for (std::size_t i = 0; i < 6; ++i) run.spread[i * D + d] = spread[i];
    run.pairs[d] = sums.pairs;
    run.ratio[d] = sums.ratio;
    run.ratio2[d] = sums.ratio2;
  }
}

void CountTile::write_pixels() {
  for (std::size_t d = 0; d < task_->scheme.delays.size(); ++d) {
    const std::uint32_t* past = snapshots_.data() + task_->stops.past[d] * std::size_t{kTilePixels};
    const std::uint32_t* from = snapshots_.data() + task_->stops.futureFrom[d] * std::size_t{kTilePixels};
    const std::uint32_t* end = snapshots_.data() + task_->stops.futureEnd[d] * std::size_t{kTilePixels};
    for (std::uint32_t p = 0; p < pixels_; ++p) {
      if (task_->part.correlated[first_ + p] == 0 || total_[p] == 0) continue;
      const std::uint32_t pixel = task_->part.pixelOfRank[first_ + p];
      const double factor = task_->factor(pixel);
      write_curve(*task_, d, pixel, static_cast<double>(products_[d * kTilePixels + p]) * factor * factor, past[p] * factor, (end[p] - from[p]) * factor);
    }
  }
}

template <class Sum>
std::vector<RunSums<Sum>> CountTile::finish(std::vector<double>& pixelMean) {
  std::vector<RunSums<Sum>> runs;
  for (RunWindows& range : ranges_) {
    RunSums<Sum> run = new_run<Sum>(*task_, first_ + range.from);
    run.windows = std::move(range.windows);
    for (std::uint32_t p = range.from; p < range.to; ++p) {
      const std::uint32_t pixel = task_->part.pixelOfRank[first_ + p];
      const double total = total_[p] * task_->factor(pixel);
      run.total += total;
      pixelMean[pixel] = task_->per_frame(total);
    }
    if (task_->part.correlated[first_ + range.from] != 0) add_rows(run, range.from, range.to - range.from);
    runs.push_back(std::move(run));
  }
  if (task_->perPixel != nullptr) write_pixels();
  return runs;
}

template <class Sum>
std::vector<RunSums<Sum>> CountTile::correlate(const TileTask& task, std::size_t tile, std::span<const IntegerBatch> batches, std::vector<double>& pixelMean) {
  std::size_t photons = 0;
  for (const IntegerBatch& batch : batches) photons += batch.size(tile);
  begin(task, tile, base_for(task, tile, static_cast<double>(photons)));
  walk(batches);
  end_series();
  correlate_apart(batches);
  return finish<Sum>(pixelMean);
}

template <class Sum>
std::vector<RunSums<Sum>> CountTile::correlate(const TileTask& task, std::size_t tile, std::span<const DenseBatch> batches, std::vector<double>& pixelMean) {
  begin(task, tile, base_for(task, tile, static_cast<double>(task.frames) * kTilePixels));
  walk(batches);
  end_series();
  correlate_apart(batches);
  return finish<Sum>(pixelMean);
}

template std::vector<RunSums<Int128>> CountTile::correlate(const TileTask&, std::size_t, std::span<const IntegerBatch>, std::vector<double>&);
template std::vector<RunSums<double>> CountTile::correlate(const TileTask&, std::size_t, std::span<const IntegerBatch>, std::vector<double>&);
template std::vector<RunSums<Int128>> CountTile::correlate(const TileTask&, std::size_t, std::span<const DenseBatch>, std::vector<double>&);
template std::vector<RunSums<double>> CountTile::correlate(const TileTask&, std::size_t, std::span<const DenseBatch>, std::vector<double>&);

}  // namespace xpcs
