#include "real_stream.hpp"

#include <algorithm>
#include <numeric>

#include "assemble.hpp"
#include "stream_memory.hpp"

namespace xpcs {
namespace {

constexpr std::uint64_t kEventBytes = sizeof(RealBatch::Event);
/// Values per pixel at which they go to the tiles, and at least of all pixels.
constexpr std::uint64_t kPoolEvents = 16;
constexpr std::uint64_t kPoolLeast = kPhotonBytesLeast / kEventBytes;

std::uint64_t pool_events(const Partition& partition, const StreamOptions& options) {
  return options.photonBytes > 0 ? options.photonBytes / kEventBytes + 1 : std::max<std::uint64_t>(kPoolLeast, kPoolEvents * partition.pixelOfRank.size());
}

}  // namespace

RealStream::RealStream(const Partition& partition, const CorrelatorOptions& correlation, const StreamOptions& options)
    : partition_(partition), correlation_(correlation), options_(options), levelsMax_(RealLayout::levels_max(options.framesMax, options.dpl)),
      perFrame_(1.0 / (static_cast<double>(partition.pixels()) * options.average)), trace_(options.intensityRows), values_(partition.pixelOfRank.size()),
      lit_(partition.pixelOfRank.size(), 0), total_(partition.pixelOfRank.size(), 0.0) {
  const auto n = static_cast<std::uint32_t>(partition.pixelOfRank.size());
  for (std::uint32_t first = 0; first < n; first += kTilePixels) {
    const std::uint32_t end = std::min(first + kTilePixels, n);
    tiles_.emplace_back(end - first);
    auto& runs = runs_.emplace_back();
    for (std::uint32_t rank = first; rank < end; rank = runs.back().to) runs.push_back({rank, run_end(partition, rank, end)});
  }
}

std::uint64_t RealStream::bytes_max(const Partition& partition, const StreamOptions& options) {
  const std::uint64_t n = partition.pixelOfRank.size();
  const std::uint64_t tiles = tile_count(n);
  const std::uint32_t levels = RealLayout::levels_max(options.framesMax, options.dpl);
  const std::uint64_t threads = std::max(1U, options.threads);
  const std::uint64_t state = (tiles + threads) * (RealTile::bytes_max(options.dpl, levels) + 256);
  const std::uint64_t events = pool_events(partition, options) + kPiece + n;  // a frame is taken whole
  // Of each batch where its tiles begin; the values once more while they become one; and in each worker those of a tile, by pixel.
  const std::uint64_t photons = events * kEventBytes + 2 * (kPiece + n) * kEventBytes + (events / kPiece + 1) * (tiles + 16) * 4 + threads * events * 28;
  const std::uint64_t windows = options.staticWindow > 0 ? options.framesMax / options.staticWindow : 0;
  const std::uint64_t runs = (tiles + partition.staticBins) * (sizeof(RunWindows) * 2 + 16 * windows);
  return state + photons + runs + n * 30 + 8 * options.monitor.size();
}

std::uint64_t RealStream::bytes() const noexcept {
  std::uint64_t sum = trace_.bytes() + total_.size() * 21 + pending_.capacity() * kEventBytes + batchEvents_ * kEventBytes + batches_.size() * (tiles_.size() + 16) * 4 + options_.monitor.size() * 8;
  for (const RealTile& tile : tiles_) sum += tile.bytes();
  for (const auto& runs : runs_) {
    for (const RunWindows& run : runs) sum += sizeof(RunWindows) + run.windows.capacity() * sizeof(double);
  }
  return sum;
}

/// What the newest frame is divided by.
double RealStream::divisor() const {
  if (options_.monitor.empty()) return newestSum_ * perFrame_;
  return newest_ < options_.monitor.size() ? options_.monitor[newest_] : 0;
}

/// The mean over all frames of what they are divided by.
double RealStream::scale(std::uint64_t frames) const {
  const auto n = static_cast<double>(frames);
  if (!options_.monitor.empty()) return std::accumulate(options_.monitor.begin(), options_.monitor.begin() + static_cast<std::ptrdiff_t>(frames), 0.0) / n;
  return options_.normalizeByFrameSum ? (divisorSum_ + divisor()) / n : 1;
}

void RealStream::list_newest(std::vector<RealBatch::Event>& events) const {
  const bool divided = options_.normalizeByFrameSum || !options_.monitor.empty();
  const double weight = divided ? frame_weight(divisor()) : 1;
  for (const std::uint32_t rank : touched_) events.push_back({newest_, rank, divided ? values_[rank] * weight : values_[rank]});
}

/// The windows that end in (from, to], from the totals of their pixels.
template <class Total>
void RealStream::close_windows(RunWindows& run, std::uint64_t from, std::uint64_t to, Total total) const {
  const std::uint64_t length = options_.staticWindow;
  for (std::uint64_t window = from / length; (window + 1) * length <= to; ++window) {
    double sum = 0;
    for (std::uint32_t rank = run.from; rank < run.to; ++rank) {
      const double factor = correlation_.pixelFactor.empty() ? 1.0 : correlation_.pixelFactor[partition_.pixelOfRank[rank]];
      sum += factor * total(rank);
    }
    run.close(sum);
  }
}

/// All values of the newest frame are there; `next` becomes the newest.
void RealStream::complete(std::uint32_t next) {
  if (options_.staticWindow > 0 && newest_ / options_.staticWindow > window_) {
    const std::uint64_t from = window_ * options_.staticWindow;
    for (auto& runs : runs_) {
      for (RunWindows& run : runs) close_windows(run, from, newest_, [&](std::uint32_t rank) { return total_[rank]; });
    }
    window_ = newest_ / options_.staticWindow;
  }
  divisorSum_ += divisor();
  list_newest(pending_);
  for (const std::uint32_t rank : touched_) {
    total_[rank] += values_[rank];
    lit_[rank] = 0;
  }
  touched_.clear();
  newestSum_ = 0;
  newest_ = next;
  if (batchEvents_ + pending_.size() >= pool_events(partition_, options_)) fold();
  else if (pending_.size() >= kPiece) settle();
}

void RealStream::drop(std::uint32_t frame) {
  if (frame != newest_) return;
  for (const std::uint32_t rank : touched_) lit_[rank] = 0;
  touched_.clear();
  newestSum_ = 0;
  trace_.drop(frame);
}

/// All values of complete frames are in batches.
void RealStream::settle() {
  if (pending_.empty()) return;
  batches_.emplace_back(pending_, tiles_.size());
  batchEvents_ += pending_.size();
  pending_.clear();
}

/// All values of complete frames go to their tiles.
void RealStream::fold() {
  settle();
  const Scheme scheme(0, options_.dpl);
  const EdgeTable edges(scheme);
  const StopTable stops(scheme);
  const GroupPlan groups(partition_);
  const TileTask task{partition_, correlation_, scheme, edges, stops, groups, nullptr, newest_, nullptr};
  std::vector<RealWorker> workers(std::min<std::size_t>(std::max(1U, options_.threads), tiles_.size()));
  parallel_for(tiles_.size(), static_cast<unsigned>(workers.size()), [&](std::size_t i, unsigned worker) { tiles_[i].fold(task, levelsMax_, i, batches_, workers[worker]); });
  batches_.clear();
  batchEvents_ = 0;
}

/// What the values give before they are divided.
void RealStream::add_static(const TileTask& task, std::size_t tile, std::vector<RunSums<double>>& sums, std::vector<double>& pixelMean) const {
  const auto total = [&](std::uint32_t rank) { return lit_[rank] == 0 ? total_[rank] : total_[rank] + values_[rank]; };
  for (std::size_t i = 0; i < sums.size(); ++i) {
    RunWindows run = runs_[tile][i];
    for (std::uint32_t rank = run.from; rank < run.to; ++rank) {
      const std::uint32_t pixel = partition_.pixelOfRank[rank];
      const double all = total(rank) * task.factor(pixel);
      sums[i].total += all;
      pixelMean[pixel] = task.per_frame(all);
    }
    if (options_.staticWindow == 0) continue;
    const std::uint64_t before = std::min<std::uint64_t>(newest_, task.frames);
    close_windows(run, window_ * options_.staticWindow, before, [&](std::uint32_t rank) { return total_[rank]; });
    close_windows(run, std::max(window_, before / options_.staticWindow) * options_.staticWindow, task.frames, total);
    sums[i].windows = std::move(run.windows);
  }
}

void RealStream::answer(TileTask task, const ResultOptions& how, const Control& control, CorrelationResult& out) {
  check_monitor_covers(options_.monitor, task.frames);
  settle();
  std::vector<RealBatch::Event> newest;
  list_newest(newest);
  batches_.emplace_back(newest, tiles_.size());
  struct Without {
    std::vector<RealBatch>& batches;
    ~Without() { batches.pop_back(); }
  } const without{batches_};
  task.scale = task.frames > 0 ? scale(task.frames) : 1;
  std::vector<RealWorker> workers(std::max(1U, how.threads));
  TileCollector<double> collector(task, static_cast<unsigned>(workers.size()));
  collect_tiles(collector, tiles_.size(), static_cast<unsigned>(workers.size()), [&](std::size_t i, unsigned worker) {
    control.check();
    std::vector<RunSums<double>> runs = tiles_[i].answer(task, levelsMax_, i, batches_, workers[worker]);
    add_static(task, i, runs, out.pixelMean);
    return runs;
  });
  assemble_sums(task, collector.sums(), how.averaging, out);
}

}  // namespace xpcs
