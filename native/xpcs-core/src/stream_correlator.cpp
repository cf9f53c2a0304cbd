// Intake of a stream, its memory and its answers. Work per tile: stream_tile.hpp; per pixel: stream_pixel.hpp; the answer of a tile:
// stream_query.hpp.
#include "xpcs/stream_correlator.hpp"

#include <algorithm>
#include <array>

#include "assemble.hpp"
#include "intensity_trace.hpp"
#include "stream_query.hpp"
#include "threads.hpp"

namespace xpcs {
namespace {

/// Photons between two looks for full logs.
constexpr std::size_t kSlice = std::size_t{1} << 16;
/// The same of whole frames.
constexpr std::size_t kDenseRows = 8;

std::string megabytes(std::uint64_t bytes) { return std::to_string((bytes + 999999) / 1000000) + " MB"; }

std::uint32_t frame_end(std::uint64_t framesMax) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(framesMax, 0xFFFFFFFF)); }

}  // namespace

std::uint64_t stream_bytes(const Partition& partition, const StreamOptions& options) {
  const StreamScheme scheme(options.dpl, options.framesMax);
  const std::uint64_t n = partition.pixelOfRank.size();
  const std::uint64_t D = scheme.delays(scheme.levels_max());
  const std::uint64_t S = partition.staticBins;
  const std::uint64_t Q = partition.dynamicBins;
  const std::uint64_t W = options.staticWindow > 0 ? options.framesMax / options.staticWindow : 0;
  const std::uint64_t state = n * (StreamTile::kLogBytes + NarrowState::bytes_max(scheme, scheme.levels_max()));
  const std::uint64_t log = kSlice * 2 * 16 + std::uint64_t{options.threads} * (StreamTile::kFull * kTilePixels + kSlice) * 12;
  const std::uint64_t trace = 2 * 8 * std::min(options.intensityRows, options.framesMax);
  const std::uint64_t maps = 32ull * partition.pixels() + 16 * n;                    // partition and mean image
  const GroupPlan plan(partition);
  const std::uint64_t held = TileCollector<Int128>::ahead(options.threads) + options.threads;  // tiles whose runs wait for an earlier one, or are made
  const std::uint64_t heldRuns = std::min<std::uint64_t>(held * kTilePixels, n);
  const std::uint64_t runs = (heldRuns + S + Q) * (sizeof(RunSums<Int128>) + D * 144);  // of a query, and their sums
  const std::uint64_t groups = (plan.begin.back() * 2 + heldRuns) * D * 24 + options.threads * kGroupsMax * D * 48;
  const std::uint64_t moments = S * D * (sizeof(Moment) + 96) + Q * D * (80 + D * 8) + 16 * W * S;
  return state + log + trace + maps + runs + groups + moments;
}

struct StreamCorrelator::State {
  Partition partition;
  StreamOptions options;
  StreamScheme scheme;
  std::vector<StreamTile> tiles;
  IntensityTrace trace;
  std::vector<std::int64_t> windows;  // [W, S]
  std::uint64_t frames = 0;           // of the stream
  bool began = false;
  std::uint32_t newest = 0;  // frame of the last event
  std::uint64_t events = 0;
  bool broken = false;

  State(Partition part, StreamOptions how)
      : partition(std::move(part)), options(how), scheme(how.dpl, how.framesMax), trace(how.intensityRows) {
    const std::size_t n = partition.pixelOfRank.size();
    for (std::size_t first = 0; first < n; first += kTilePixels) tiles.emplace_back(static_cast<std::uint32_t>(std::min<std::size_t>(kTilePixels, n - first)));
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    std::uint64_t sum = trace.bytes() + windows.capacity() * sizeof windows[0];
    for (const StreamTile& tile : tiles) sum += tile.bytes();
    return sum;
  }

  /// Refuses a chunk before any of it is taken.
  void check(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::size_t counts) const {
    check_whole();
    if (frame.size() != pixel.size() || frame.size() != counts) throw Error(Code::invalid_argument, "frame, pixel and count must have one length");
    std::uint32_t before = began ? newest : 0;
    for (std::size_t i = 0; i < frame.size(); ++i) {
      if (pixel[i] >= partition.pixels()) {
        throw Error(Code::invalid_argument, "pixel " + std::to_string(pixel[i]) + " of event " + std::to_string(i) + " is outside the detector of " + std::to_string(partition.pixels()) + " pixels");
      }
      check_order(frame[i], before);
      before = frame[i];
    }
    if (!frame.empty() && before >= frame_end(options.framesMax)) throw too_long(before);
  }

  static void check_order(std::uint32_t frame, std::uint32_t before) {
    if (frame >= before) return;
    throw Error(Code::invalid_argument, "frame " + std::to_string(frame) + " comes after frame " + std::to_string(before) +
                                            ": a stream must be in frame order; the correlator that keeps all photons takes any order");
  }

  [[nodiscard]] Error too_long(std::uint64_t frame) const {
    return {Code::invalid_argument, "frame " + std::to_string(frame) + " is beyond the " + std::to_string(frame_end(options.framesMax)) + " frames for which this stream was made"};
  }

  void check_whole() const {
    if (broken) throw Error(Code::invalid_argument, "an earlier chunk could not be taken in: this stream cannot go on");
  }

  template <class Count>
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Count> count) {
    check(frame, pixel, count.size());
    if (frame.empty()) return;
    broken = true;  // until all of it is in
    for (std::size_t from = 0; from < frame.size(); from += kSlice) {
      const std::size_t n = std::min(kSlice, frame.size() - from);
      take(frame.subspan(from, n), pixel.subspan(from, n), count.subspan(from, n));
      reach(frame[from + n - 1]);
      fold_full();
    }
    broken = false;
  }

  template <class Count>
  void take(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Count> count) {
    const std::uint32_t* const rankOf = partition.rankOfPixel.data();
    std::int64_t inFrame = 0;
    std::int64_t* window = nullptr;
    for (std::size_t i = 0; i < frame.size(); ++i) {
      if (i == 0 || frame[i] != frame[i - 1]) {
        if (i > 0) trace.add(frame[i - 1], inFrame);
        inFrame = 0;
        window = window_of(frame[i]);
      }
      const std::uint32_t rank = rankOf[pixel[i]];
      if (rank == Partition::kMasked) continue;
      ++events;
      const std::int64_t value = count[i];
      if (value == 0) continue;
      inFrame += value;
      if (window != nullptr) window[partition.staticOfRank[rank]] += value;
      tiles[rank >> kTileBits].append(frame[i], rank & (kTilePixels - 1), value);
    }
    trace.add(frame.back(), inFrame);
  }

  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts) {
    check_whole();
    const std::size_t pixels = partition.pixels();
    if (rows.size() % pixels != 0) throw Error(Code::invalid_argument, "dense frames must have " + std::to_string(pixels) + " counts each");
    if (rows.empty()) return;
    const std::uint64_t last = std::uint64_t{first} + rows.size() / pixels - 1;
    check_order(first, began ? newest : 0);
    if (last >= frame_end(options.framesMax)) throw too_long(last);
    broken = true;
    for (std::size_t at = 0; at < rows.size(); at += kDenseRows * pixels) {
      const auto frame = static_cast<std::uint32_t>(first + at / pixels);
      take_rows(frame, rows.subspan(at, std::min(kDenseRows * pixels, rows.size() - at)), signedCounts);
    }
    broken = false;
  }

  /// A few whole frames, by several threads at a time.
  void take_rows(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts) {
    const std::size_t pixels = partition.pixels();
    const auto n = static_cast<std::uint32_t>(rows.size() / pixels);
    struct Tile {
      std::array<std::int64_t, kDenseRows> inFrame{};
      std::uint64_t events = 0;
    };
    std::vector<Tile> taken(tiles.size());
    std::vector<StreamScratch> scratch(std::max(1U, options.threads));
    parallel_for(tiles.size(), static_cast<unsigned>(scratch.size()), [&](std::size_t i, unsigned worker) {
      const std::uint32_t* const pixelOf = partition.pixelOfRank.data() + i * kTilePixels;
      for (std::uint32_t f = 0; f < n; ++f) {
        if (f > 0 && tiles[i].full()) tiles[i].fold_log(scheme, first + f - 1, scratch[worker]);
        const std::uint16_t* const row = rows.data() + f * pixels;
        for (std::uint32_t local = 0; local < tiles[i].pixels(); ++local) {
          const std::uint16_t count = row[pixelOf[local]];
          if (count == 0 || (signedCounts && count >= 0x8000)) continue;
          taken[i].inFrame[f] += count;
          ++taken[i].events;
          tiles[i].append(first + f, local, count);
        }
      }
    });
    for (std::uint32_t f = 0; f < n; ++f) {
      if (std::int64_t* const window = window_of(first + f)) add_window(rows.subspan(f * pixels, pixels), signedCounts, window);
      for (const Tile& tile : taken) trace.add(first + f, tile.inFrame[f]);
    }
    for (const Tile& tile : taken) events += tile.events;
    reach(first + n - 1);
    fold_full();
  }

  void add_window(std::span<const std::uint16_t> row, bool signedCounts, std::int64_t* window) const {
    for (std::size_t rank = 0; rank < partition.pixelOfRank.size(); ++rank) {
      const std::uint16_t count = row[partition.pixelOfRank[rank]];
      if (!signedCounts || count < 0x8000) window[partition.staticOfRank[rank]] += count;
    }
  }

  /// The newest frame is this one.
  void reach(std::uint32_t frame) {
    newest = frame;
    began = true;
    frames = std::max<std::uint64_t>(frames, std::uint64_t{frame} + 1);
    trace.reach(frames);
  }

  /// The row of the window in which a frame lies, or none.
  std::int64_t* window_of(std::uint32_t frame) {
    if (options.staticWindow == 0) return nullptr;
    const std::size_t row = frame / options.staticWindow;
    const std::size_t S = partition.staticBins;
    if ((row + 1) * S > windows.size()) windows.resize((row + 1) * S, 0);
    return windows.data() + row * S;
  }

  void fold_full() {
    std::vector<std::size_t> full;
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      if (tiles[i].full()) full.push_back(i);
    }
    if (full.empty()) return;
    std::vector<StreamScratch> scratch(std::min<std::size_t>(std::max(1U, options.threads), full.size()));
    parallel_for(full.size(), static_cast<unsigned>(scratch.size()), [&](std::size_t i, unsigned worker) { tiles[full[i]].fold_log(scheme, newest, scratch[worker]); });
    if (bytes() > options.bytesMax) {
      throw Error(Code::out_of_memory, "the stream has come to take " + megabytes(bytes()) + ", the limit is " + megabytes(options.bytesMax) +
                                           ": pixels with more than 2147483647 photons take twice their share");
    }
  }

  void set_frames(std::uint64_t number) {
    check_whole();
    if (number > frame_end(options.framesMax)) throw too_long(number);
    if (began && number <= newest) {
      if (number < newest) {
        throw Error(Code::invalid_argument, "the stream has come to frame " + std::to_string(newest) + ", it cannot be cut to " + std::to_string(number) + " frames; only the newest frame can be left out");
      }
      drop_newest();
    }
    frames = number;
    trace.reach(frames);
  }

  void drop_newest() {
    std::int64_t* const window = window_of(newest);
    std::int64_t dropped = 0;
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      tiles[i].drop_frame(newest, [&](std::uint32_t local, std::int64_t count) {
        dropped += count;
        if (window != nullptr) window[partition.staticOfRank[i * kTilePixels + local]] -= count;
      });
    }
    trace.add(newest, -dropped);
  }
};

StreamCorrelator::StreamCorrelator(Partition partition, StreamOptions options) {
  if (options.dpl == 0 || options.dpl > 512) throw Error(Code::invalid_argument, "delays per level must be 1 to 512");
  if (options.average == 0) throw Error(Code::invalid_argument, "average must be at least 1 frame");
  if (options.framesMax == 0) throw Error(Code::invalid_argument, "a stream must be allowed at least 1 frame");
  if (options.intensityRows == 0) throw Error(Code::invalid_argument, "the intensity against time must have at least 1 row");
  const std::uint64_t bytes = stream_bytes(partition, options);
  if (bytes > options.bytesMax) {
    throw Error(Code::out_of_memory, "a stream of up to " + std::to_string(frame_end(options.framesMax)) + " frames on " + std::to_string(partition.pixelOfRank.size()) + " pixels may take " +
                                         megabytes(bytes) + ", the limit is " + megabytes(options.bytesMax) + "; declare fewer frames, fewer delays per level, or mask pixels");
  }
  state_ = std::make_unique<State>(std::move(partition), options);
}

StreamCorrelator::~StreamCorrelator() = default;
StreamCorrelator::StreamCorrelator(StreamCorrelator&&) noexcept = default;
StreamCorrelator& StreamCorrelator::operator=(StreamCorrelator&&) noexcept = default;

void StreamCorrelator::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  state_->push(frame, pixel, count);
}
void StreamCorrelator::push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts) { state_->push_dense(first, rows, signedCounts); }
void StreamCorrelator::set_frames(std::uint64_t frames) { state_->set_frames(frames); }
const Partition& StreamCorrelator::partition() const noexcept { return state_->partition; }
std::uint64_t StreamCorrelator::bytes() const noexcept { return state_->bytes(); }

CorrelationResult StreamCorrelator::result(const ResultOptions& how, const Control& control) const {
  const State& state = *state_;
  state.check_whole();
  const Partition& part = state.partition;
  CorrelatorOptions options;
  options.dpl = state.options.dpl;
  options.average = state.options.average;
  CorrelationResult out;
  out.frames = state.frames;
  out.events = state.events;
  out.framesPerMean = state.trace.frames_per_row();
  out.frameMean = state.trace.means(state.frames, 1.0 / (static_cast<double>(part.pixels()) * options.average));
  const Scheme scheme(out.frames, options.dpl);
  out.delays = scheme.delays;
  out.pixelMean.assign(part.pixels(), 0.0);
  if (how.perPixel) {
    for (auto* matrix : {&out.perPixelG2, &out.perPixelIP, &out.perPixelIF}) matrix->assign(out.delays.size() * part.pixels(), 0.0F);
  }
  const EdgeTable none{Scheme(0, options.dpl)};
  const StopTable stops(scheme);
  const GroupPlan groups(part);
  const TileTask task{part, options, scheme, none, stops, groups, nullptr, out.frames, how.perPixel ? &out : nullptr};
  std::vector<QueryScratch> scratch(std::max(1U, how.threads));
  TileCollector<Int128> collector(task, static_cast<unsigned>(scratch.size()));
  collect_tiles(collector, state.tiles.size(), static_cast<unsigned>(scratch.size()), [&](std::size_t i, unsigned worker) {
    control.check();
    return query_tile(task, state.scheme, i, state.tiles[i], scratch[worker], out.pixelMean);
  });
  assemble_sums(task, collector.sums(), out);

  const std::uint32_t window = state.options.staticWindow;
  const std::size_t S = part.staticBins;
  out.partitionMeanPartial.assign(window > 0 ? out.frames / window * S : 0, 0.0);
  for (std::size_t i = 0; i < out.partitionMeanPartial.size(); ++i) {
    const double sum = i < state.windows.size() ? static_cast<double>(state.windows[i]) : 0.0;
    out.partitionMeanPartial[i] = sum / (static_cast<double>(part.validPixels[i % S]) * window * options.average);
  }
  return out;
}

}  // namespace xpcs
