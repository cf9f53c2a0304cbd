// Intake of a stream, its memory and its answers. Photons wait in batches of all tiles, as those of the correlator that keeps them all;
// when there are many, every tile folds its own into its state. Work per tile: stream_tile.hpp.
#include "xpcs/stream_correlator.hpp"

#include <algorithm>
#include <optional>

#include "assemble.hpp"
#include "intake_batch.hpp"
#include "intensity_trace.hpp"
#include "real_stream.hpp"
#include "stream_memory.hpp"
#include "stream_tile.hpp"
#include "threads.hpp"

namespace xpcs {
namespace {

std::uint32_t frame_end(std::uint64_t framesMax) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(framesMax, 0xFFFFFFFF)); }

}  // namespace

struct StreamCorrelator::State {
  Partition partition;
  StreamOptions options;
  StreamScheme scheme;
  GroupPlan groups;
  CorrelatorOptions correlation;
  std::vector<StreamTile> tiles;
  std::vector<IntegerBatch> batches;
  std::uint64_t batchBytes = 0;
  std::vector<std::uint32_t> waitingFrame, waitingPixel;  // photons that do not make a batch yet
  std::vector<std::int64_t> waitingCount;
  IntensityTrace trace;
  std::uint64_t frames = 0;           // of the stream
  bool began = false;
  std::uint32_t newest = 0;  // frame of the last event
  std::uint64_t events = 0;
  bool broken = false;
  std::optional<RealStream> real;     // in place of tiles, batches and what waits

  State(Partition part, StreamOptions how)
      : partition(std::move(part)), options(std::move(how)), scheme(options.dpl, options.framesMax), groups(partition), trace(options.intensityRows) {
    correlation.dpl = options.dpl;
    correlation.average = options.average;
    correlation.staticWindow = options.staticWindow;
    correlation.pixelFactor = std::move(options.pixelFactor);
    if (is_real(options)) {
      real.emplace(partition, correlation, options);
      return;
    }
    const std::size_t n = partition.pixelOfRank.size();
    for (std::size_t first = 0; first < n; first += kTilePixels) tiles.emplace_back(static_cast<std::uint32_t>(std::min<std::size_t>(kTilePixels, n - first)));
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    if (real) return real->bytes();
    std::uint64_t sum = trace.bytes() + batchBytes + waitingFrame.capacity() * kWaitingBytes;
    for (const StreamTile& tile : tiles) sum += tile.bytes();
    return sum;
  }

  static void check_order(std::span<const std::uint32_t> frame, std::uint32_t before) {
    for (const std::uint32_t at : frame) {
      if (at < before) {
        throw Error(Code::invalid_argument, "frame " + std::to_string(at) + " comes after frame " + std::to_string(before) +
                                                ": a stream must be in frame order; the correlator that keeps all photons takes any order");
      }
      before = at;
    }
  }

  [[nodiscard]] Error too_long(std::uint64_t frame) const {
    return {Code::invalid_argument, "frame " + std::to_string(frame) + " is beyond the " + std::to_string(frame_end(options.framesMax)) + " frames for which this stream was made"};
  }

  void check_whole() const {
    if (broken) throw Error(Code::invalid_argument, "an earlier chunk could not be taken in: this stream cannot go on");
  }

  /// Refuses a chunk before any of it is taken.
  void check_frames(std::uint32_t first, std::uint64_t last) const {
    check_whole();
    if (began) check_order({&first, 1}, newest);
    if (last >= frame_end(options.framesMax)) throw too_long(last);
  }

  /// False where there is nothing to take.
  bool check_chunk(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::size_t counts) const {
    check_whole();
    check_events(frame, pixel, counts, partition);
    if (frame.empty()) return false;
    check_order(frame, began ? newest : 0);
    check_frames(frame.front(), frame.back());
    return true;
  }

  template <class Value>
  void push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Value> value) {
    if (!check_chunk(frame, pixel, value.size())) return;
    broken = true;
    for (std::size_t i = 0; i < frame.size(); ++i) real->push(frame[i], pixel[i], static_cast<double>(value[i]));
    reach(frame.back());
    broken = false;
  }

  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
    if (!check_chunk(frame, pixel, count.size())) return;
    broken = true;  // until all of it is in
    while (!frame.empty()) {
      std::size_t n = std::min(frame.size(), kPieceMost);
      if (n < kPiece) {
        n = wait(frame, pixel, count);
      } else {
        settle();
        take(prepare_events(EventSpans<std::int64_t>{frame.first(n), pixel.first(n), count.first(n)}, partition, correlation.pixelFactor));
      }
      if (n > 0) reach(frame[n - 1]);  // 0: those that wait are too far back
      frame = frame.subspan(n);
      pixel = pixel.subspan(n);
      count = count.subspan(n);
    }
    broken = false;
  }

  /// Few photons wait for others of nearby frames. Returns how many were taken.
  std::size_t wait(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
    const std::uint32_t first = waitingFrame.empty() ? frame.front() : waitingFrame.front();
    const auto far = std::partition_point(frame.begin(), frame.end(), [&](std::uint32_t at) { return at - first < IntegerBatch::kFrames; });
    const std::size_t n = std::min(static_cast<std::size_t>(far - frame.begin()), kPiece - waitingFrame.size());
    const auto append = [&](auto& to, const auto& from) {
      if (to.capacity() < kPiece) to.reserve(kPiece);
      to.insert(to.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(n));
    };
    append(waitingFrame, frame);
    append(waitingPixel, pixel);
    append(waitingCount, count);
    if (waitingFrame.size() == kPiece || n < frame.size()) settle();
    return n;
  }

  /// Everything that was pushed is in batches.
  void settle() {
    if (waitingFrame.empty()) return;
    take(prepare_events(EventSpans<std::int64_t>{waitingFrame, waitingPixel, waitingCount}, partition, correlation.pixelFactor));
    waitingFrame.clear();
    waitingPixel.clear();
    waitingCount.clear();
  }

  /// Photons of frames that follow those in batches.
  void take(PreparedChunk<IntegerBatch> chunk) {
    events += chunk.events;
    for (const auto& [frame, gained] : chunk.gains) trace.add(frame, gained);
    for (IntegerBatch& batch : chunk.batches) {
      batchBytes += batch.bytes();
      batches.push_back(std::move(batch));
      if (batchBytes >= photon_bytes(partition, options)) fold();
    }
  }

  /// Whole frames: their photons, by several threads at a time.
  void push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts) {
    check_whole();
    const std::size_t pixels = partition.pixels();
    if (rows.size() % pixels != 0) throw Error(Code::invalid_argument, "dense frames must have " + std::to_string(pixels) + " counts each");
    if (rows.empty()) return;
    check_frames(first, std::uint64_t{first} + rows.size() / pixels - 1);
    broken = true;
    if (real) {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i] != 0 && !(signedCounts && rows[i] >= 0x8000)) real->push(static_cast<std::uint32_t>(first + i / pixels), static_cast<std::uint32_t>(i % pixels), rows[i]);
      }
      reach(static_cast<std::uint32_t>(first + rows.size() / pixels - 1));
      broken = false;
      return;
    }
    settle();
    const std::size_t n = std::max<std::size_t>(1, kPieceMost / pixels);  // frames at a time
    const std::size_t pieces = (rows.size() / pixels + n - 1) / n;
    const std::size_t threads = std::max(1U, options.threads);
    for (std::size_t at = 0; at < pieces; at += threads) {
      std::vector<PreparedChunk<IntegerBatch>> chunks(std::min(threads, pieces - at));
      parallel_for(chunks.size(), static_cast<unsigned>(threads), [&](std::size_t i, unsigned) {
        const std::size_t from = (at + i) * n;
        chunks[i] = photons_of(static_cast<std::uint32_t>(first + from), rows.subspan(from * pixels, std::min(n * pixels, rows.size() - from * pixels)), signedCounts);
      });
      for (auto& chunk : chunks) take(std::move(chunk));
    }
    reach(static_cast<std::uint32_t>(first + rows.size() / pixels - 1));
    broken = false;
  }

  [[nodiscard]] PreparedChunk<IntegerBatch> photons_of(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts) const {
    const std::size_t pixels = partition.pixels();
    std::vector<std::uint32_t> frame, pixel;
    std::vector<std::int64_t> count;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == 0 || (signedCounts && rows[i] >= 0x8000) || partition.rankOfPixel[i % pixels] == Partition::kMasked) continue;
      frame.push_back(static_cast<std::uint32_t>(first + i / pixels));
      pixel.push_back(static_cast<std::uint32_t>(i % pixels));
      count.push_back(rows[i]);
    }
    return prepare_events(EventSpans<std::int64_t>{frame, pixel, count}, partition, correlation.pixelFactor);
  }

  /// The newest frame is this one.
  void reach(std::uint32_t frame) {
    newest = frame;
    began = true;
    frames = std::max<std::uint64_t>(frames, std::uint64_t{frame} + 1);
    if (real) real->reach(frames);
    else trace.reach(frames);
  }

  /// The photons of the batches go to the tiles: those of the newest frame, which may get others, stay photons.
  void fold() {
    if (batches.empty()) return;
    const std::uint64_t until = batches.back().last_frame();
    const Scheme settled = scheme.settled_scheme(until);
    const EdgeTable none{Scheme(0, options.dpl)};
    StopTable stops{Scheme(0, options.dpl)};
    for (std::size_t d = 0; d < delays_within(until, options.dpl); ++d) stops.frame.push_back(delay_at(d, options.dpl));
    const TileTask task{partition, correlation, settled, none, stops, groups, nullptr, until, nullptr};
    std::vector<StreamWorker> workers(std::min<std::size_t>(std::max(1U, options.threads), tiles.size()));
    parallel_for(tiles.size(), static_cast<unsigned>(workers.size()), [&](std::size_t i, unsigned worker) { tiles[i].fold(task, scheme, i, batches, workers[worker]); });
    batches.clear();
    batchBytes = 0;
    if (bytes() > options.bytesMax) {
      throw Error(Code::out_of_memory, "the stream has come to take " + megabytes(bytes()) + ", the limit is " + megabytes(options.bytesMax) +
                                           ": pixels with more than 2147483647 photons take more than their share");
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
    if (real) real->reach(frames);
    else trace.reach(frames);
  }

  template <class Sum>
  void answer(const TileTask& task, const ResultOptions& how, const Control& control, CorrelationResult& out) const {
    std::vector<StreamWorker> workers(std::max(1U, how.threads));
    TileCollector<Sum> collector(task, static_cast<unsigned>(workers.size()));
    collect_tiles(collector, tiles.size(), static_cast<unsigned>(workers.size()), [&](std::size_t i, unsigned worker) {
      control.check();
      return tiles[i].answer<Sum>(task, scheme, i, batches, workers[worker], out.pixelMean);
    });
    assemble_sums(task, collector.sums(), how.averaging, out);
  }

  void drop_newest() {
    if (real) return real->drop(newest);
    settle();
    fold();
    for (StreamTile& tile : tiles) tile.drop_frame(newest);
    trace.drop(newest);
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
  if (!options.pixelFactor.empty() && options.pixelFactor.size() != partition.pixels()) {
    throw Error(Code::invalid_argument, "the flatfield has " + std::to_string(options.pixelFactor.size()) + " pixels, the detector " + std::to_string(partition.pixels()));
  }
  state_ = std::make_unique<State>(std::move(partition), std::move(options));
}

StreamCorrelator::~StreamCorrelator() = default;
StreamCorrelator::StreamCorrelator(StreamCorrelator&&) noexcept = default;
StreamCorrelator& StreamCorrelator::operator=(StreamCorrelator&&) noexcept = default;

void StreamCorrelator::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  if (state_->real) state_->push_real(frame, pixel, count);
  else state_->push(frame, pixel, count);
}

void StreamCorrelator::push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) {
  if (!state_->real) throw Error(Code::invalid_argument, "this stream was made for whole counts");
  state_->push_real(frame, pixel, value);
}

bool StreamCorrelator::prepares() const noexcept { return !state_->real; }

void StreamCorrelator::prepare(std::shared_ptr<PreparedEvents>& events, std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) const {
  if (events == nullptr) events = std::make_shared<PreparedEvents>();
  State::check_order(frame, events->chunk.frames > 0 ? static_cast<std::uint32_t>(events->chunk.frames - 1) : 0);
  add_events(*events, {frame, pixel, count}, state_->partition, state_->correlation.pixelFactor);
}

void StreamCorrelator::prepare(std::shared_ptr<PreparedEvents>& events, const EventColumns& columns) const {
  if (events == nullptr) events = std::make_shared<PreparedEvents>();
  add_columns(*events, columns, state_->partition, state_->correlation.pixelFactor, Crowding::never);
}

void StreamCorrelator::close(PreparedEvents& events) const { close_batch(events); }

void StreamCorrelator::take(PreparedEvents& prepared) {
  State& state = *state_;
  if (prepared.chunk.frames == 0) return;
  const std::uint64_t last = prepared.chunk.frames - 1;
  state.check_frames(prepared.chunk.first, last);
  state.broken = true;
  state.settle();
  state.take(take_chunk(prepared));
  state.reach(static_cast<std::uint32_t>(last));
  state.broken = false;
}

void StreamCorrelator::push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, bool signedCounts) { state_->push_dense(first, rows, signedCounts); }
void StreamCorrelator::set_frames(std::uint64_t frames) { state_->set_frames(frames); }
const Partition& StreamCorrelator::partition() const noexcept { return state_->partition; }
std::uint64_t StreamCorrelator::bytes() const noexcept { return state_->bytes(); }

CorrelationResult StreamCorrelator::result(const ResultOptions& how, const Control& control) const {
  State& state = *state_;
  state.check_whole();
  state.settle();
  const Partition& part = state.partition;
  const IntensityTrace& trace = state.real ? state.real->trace() : state.trace;
  CorrelationResult out;
  out.frames = state.frames;
  out.events = state.real ? state.real->events() : state.events;
  out.framesPerMean = trace.frames_per_row();
  out.frameMean = trace.means(state.frames, 1.0 / (static_cast<double>(part.pixels()) * state.options.average));
  const Scheme scheme(out.frames, state.options.dpl);
  out.delays = scheme.delays;
  make_pixel_room(out, part.pixels(), how.perPixel);
  const EdgeTable none{Scheme(0, state.options.dpl)};
  const StopTable stops(scheme);
  const TileTask task{part, state.correlation, scheme, none, stops, state.groups, nullptr, out.frames, how.perPixel ? &out : nullptr};
  if (state.real) state.real->answer(task, how, control, out);
  else if (state.correlation.pixelFactor.empty()) state.answer<Int128>(task, how, control, out);
  else state.answer<double>(task, how, control, out);
  return out;
}

}  // namespace xpcs
