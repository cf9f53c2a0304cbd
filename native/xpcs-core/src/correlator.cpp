// The correlator's state and intake. Pushed events are collected into chunks; each chunk is partitioned by tile (intake_batch.hpp),
// and chunks are kept in order. Assembly of the result: assemble.cpp; work per tile: count_tile.hpp, tile_kernel.hpp.
#include "xpcs/correlator.hpp"

#include <algorithm>
#include <limits>
#include <variant>

#include "assemble.hpp"
#include "intake_batch.hpp"
#include "lane_sums.hpp"
#include "threads.hpp"

namespace xpcs {
namespace {

constexpr std::uint64_t kDenseFramesMax = std::uint64_t{1} << 25;
constexpr std::size_t kChunkEvents = std::size_t{1} << 18;

/// The kept batches of one kind of value, and the events that do not make a chunk yet.
template <class BatchType, class CountType>
struct Lane {
  using Batch = BatchType;
  using Count = CountType;
  std::vector<Batch> batches;
  std::vector<std::uint32_t> frame, pixel;
  std::vector<Count> count;
};

/// Whole frames, four at a time into batches of 64.
struct DenseLane {
  using Batch = DenseBatch;
  std::vector<DenseBatch> batches;
  std::vector<std::uint16_t> waiting;  // [frames, pixels] up to three frames that do not make a quad yet
  std::uint32_t quads = 0;             // taken into the last batch
  std::uint64_t frames = 0;            // in quads
  bool signedCounts = false;
};

using IntegerLane = Lane<IntegerBatch, std::int64_t>;
using RealLane = Lane<RealBatch, double>;

}  // namespace

struct Correlator::State {
  explicit State(std::shared_ptr<const Partition> of) : shared(std::move(of)), partition(*shared) {}

  std::shared_ptr<const Partition> shared;
  const Partition& partition;
  CorrelatorOptions options;
  std::variant<IntegerLane, RealLane, DenseLane> lane;
  std::vector<double> frameSum;  // per frame, before division
  std::uint64_t frames = 0;
  bool framesFixed = false;
  bool began = false;
  std::uint64_t events = 0;
  std::vector<std::vector<std::uint32_t>> scratch;  // per worker

  template <class Batch>
  void keep(PreparedChunk<Batch> chunk, std::vector<Batch>& batches) {
    events += chunk.events;
    for (const auto& [frame, value] : chunk.gains) {
      if (frame >= frameSum.size()) frameSum.resize(std::size_t{frame} + 1, 0.0);
      frameSum[frame] += value;
    }
    if (!framesFixed) frames = std::max(frames, chunk.frames);
    for (Batch& batch : chunk.batches) batches.push_back(std::move(batch));
  }

  template <class LaneType>
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const typename LaneType::Count> value) {
    check_events(frame, pixel, value.size(), partition);
    if (frame.empty()) return;
    auto& lane_ = lane_for_push<LaneType>();
    for (std::size_t from = 0; from < frame.size();) {
      const std::size_t n = std::min(kChunkEvents - lane_.frame.size(), frame.size() - from);
      const auto append = [&](auto& to, const auto& source) { to.insert(to.end(), source.begin() + static_cast<std::ptrdiff_t>(from), source.begin() + static_cast<std::ptrdiff_t>(from + n)); };
      append(lane_.frame, frame);
      append(lane_.pixel, pixel);
      append(lane_.count, value);
      from += n;
      if (lane_.frame.size() == kChunkEvents) settle(lane_);
    }
  }

  template <class LaneType>
  LaneType& lane_for_push() {
    if (!std::holds_alternative<LaneType>(lane)) {
      if (began) throw Error(Code::invalid_argument, "one correlator takes one kind of data: integer events, real values, or dense frames");
      lane.template emplace<LaneType>();
    }
    began = true;
    return std::get<LaneType>(lane);
  }

  /// The batch that the next quad goes to.
  DenseBatch& open_batch(DenseLane& dense) {
    if (dense.batches.empty() || dense.quads == DenseBatch::kQuads) {
      dense.batches.emplace_back(static_cast<std::uint32_t>(dense.frames), partition);
      dense.quads = 0;
    }
    return dense.batches.back();
  }

  /// Sums of the last batch, of which all quads are taken.
  void close(DenseLane& dense) {
    DenseBatch& batch = dense.batches.back();
    batch.close();
    const std::size_t end = std::size_t{batch.base()} + DenseBatch::kFrames;
    if (frameSum.size() < end) frameSum.resize(end, 0.0);
    for (std::size_t i = batch.base(); i < end; ++i) frameSum[i] = batch.frame_sums()[i - batch.base()];
  }

  /// Whole quads, by several threads at a time.
  void take_quads(DenseLane& dense, std::span<const std::uint16_t> rows) {
    const std::size_t quadRows = std::size_t{DenseBatch::kQuadFrames} * partition.pixels();
    while (!rows.empty()) {
      DenseBatch& batch = open_batch(dense);
      const std::size_t quads = std::min<std::size_t>(rows.size() / quadRows, DenseBatch::kQuads - dense.quads);
      parallel_for(quads, options.threads, [&](std::size_t i, unsigned worker) {
        batch.take(dense.quads + static_cast<std::uint32_t>(i), rows.subspan(i * quadRows, quadRows), partition, dense.signedCounts, scratch[worker]);
      });
      dense.frames += quads * DenseBatch::kQuadFrames;
      dense.quads += static_cast<std::uint32_t>(quads);
      rows = rows.subspan(quads * quadRows);
      if (dense.quads == DenseBatch::kQuads) close(dense);
    }
  }

  /// The last batch gets the frames that wait, and zeros behind them. Frames that come later are taken over these.
  void settle(DenseLane& dense) {
    if (!dense.waiting.empty() || (!dense.batches.empty() && dense.quads < DenseBatch::kQuads)) {
      DenseBatch& batch = open_batch(dense);
      for (std::uint32_t quad = dense.quads; quad < DenseBatch::kQuads; ++quad) {
        const auto rows = quad == dense.quads ? std::span<const std::uint16_t>(dense.waiting) : std::span<const std::uint16_t>();
        batch.take(quad, rows, partition, dense.signedCounts, scratch[0]);
      }
      close(dense);
    }
    events = 0;
    for (const DenseBatch& batch : dense.batches) events += batch.events();
  }

  void push_dense(std::span<const std::uint16_t> rows, bool signedCounts) {
    const std::size_t pixels = partition.pixels();
    if (rows.size() % pixels != 0) throw Error(Code::invalid_argument, "dense frames must have " + std::to_string(pixels) + " counts each");
    if (!options.pixelFactor.empty()) throw Error(Code::invalid_argument, "dense frames cannot be taken with a flatfield: push them as events");
    auto& dense = lane_for_push<DenseLane>();
    dense.signedCounts = signedCounts;
    const std::uint64_t already = dense.frames + dense.waiting.size() / pixels;
    if (already + rows.size() / pixels > kDenseFramesMax) throw Error(Code::invalid_argument, "more than 2^25 dense frames: push them as events");
    if (!framesFixed) frames = already + rows.size() / pixels;
    const std::size_t quadRows = DenseBatch::kQuadFrames * pixels;
    if (!dense.waiting.empty()) {
      const std::size_t n = std::min(quadRows - dense.waiting.size(), rows.size());
      dense.waiting.insert(dense.waiting.end(), rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(n));
      rows = rows.subspan(n);
      if (dense.waiting.size() < quadRows) return;
      take_quads(dense, std::exchange(dense.waiting, {}));
    }
    const std::size_t whole = rows.size() / quadRows * quadRows;
    take_quads(dense, rows.first(whole));
    dense.waiting.assign(rows.begin() + static_cast<std::ptrdiff_t>(whole), rows.end());
  }

  /// Everything pushed so far is in `batches`.
  template <class LaneType>
  void settle(LaneType& lane_) {
    if (lane_.frame.empty()) return;
    keep(prepare_events(EventSpans<typename LaneType::Count>{lane_.frame, lane_.pixel, lane_.count}, partition, options.pixelFactor), lane_.batches);
    lane_.frame.clear();
    lane_.pixel.clear();
    lane_.count.clear();
  }
  void settle() {
    std::visit([&](auto& lane_) { settle(lane_); }, lane);
  }
};

Correlator::Correlator(Partition partition, CorrelatorOptions options) : Correlator(std::make_shared<const Partition>(std::move(partition)), std::move(options)) {}

Correlator::Correlator(std::shared_ptr<const Partition> partition, CorrelatorOptions options) : state_(std::make_unique<State>(std::move(partition))) {
  const std::size_t pixels = state_->partition.pixels();
  if (options.dpl == 0 || options.dpl > 512) throw Error(Code::invalid_argument, "delays per level must be 1 to 512");
  if (options.average == 0) throw Error(Code::invalid_argument, "average must be at least 1 frame");
  if (!options.pixelFactor.empty() && options.pixelFactor.size() != pixels) {
    throw Error(Code::invalid_argument, "the flatfield has " + std::to_string(options.pixelFactor.size()) + " pixels, the detector " + std::to_string(pixels));
  }
  state_->options = std::move(options);
  state_->scratch.resize(std::max(1U, state_->options.threads));
}

Correlator::~Correlator() = default;
Correlator::Correlator(Correlator&&) noexcept = default;
Correlator& Correlator::operator=(Correlator&&) noexcept = default;

void Correlator::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  state_->push<IntegerLane>(frame, pixel, count);
}

void Correlator::prepare(std::shared_ptr<PreparedEvents>& events, std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) const {
  if (events == nullptr) events = std::make_shared<PreparedEvents>();
  add_events(*events, {frame, pixel, count}, state_->partition, state_->options.pixelFactor);
}

void Correlator::prepare(std::shared_ptr<PreparedEvents>& events, const EventColumns& columns) const {
  if (events == nullptr) events = std::make_shared<PreparedEvents>();
  add_columns(*events, columns, state_->partition, state_->options.pixelFactor, Crowding::may);
}

void Correlator::close(PreparedEvents& events) const { close_batch(events); }

void Correlator::take(PreparedEvents& prepared) {
  auto& lane = state_->lane_for_push<IntegerLane>();
  state_->settle(lane);
  state_->keep(take_chunk(prepared), lane.batches);
}

void Correlator::push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) {
  state_->push<RealLane>(frame, pixel, value);
}

void Correlator::push_dense(std::span<const std::uint16_t> rows, bool signedCounts) { state_->push_dense(rows, signedCounts); }

void Correlator::set_frames(std::uint64_t frames) {
  if (frames > std::numeric_limits<std::uint32_t>::max()) throw Error(Code::invalid_argument, "a series may have at most 2^32 - 1 frames");
  state_->frames = frames;
  state_->framesFixed = true;
}

void Correlator::set_static_window(std::uint32_t frames) { state_->options.staticWindow = frames; }
void Correlator::set_monitor(std::vector<double> monitor) { state_->options.monitor = std::move(monitor); }

const Partition& Correlator::partition() const noexcept { return state_->partition; }

CorrelationResult Correlator::result(const ResultOptions& how, const Control& control) const {
  State& state = *state_;
  state.settle();
  CorrelationResult out;
  out.frames = state.frames;
  out.events = state.events;
  out.frameMean.assign(state.frames, 0.0);
  const double perFrame = 1.0 / (static_cast<double>(state.partition.pixels()) * state.options.average);
  for (std::size_t i = 0; i < out.frameMean.size() && i < state.frameSum.size(); ++i) out.frameMean[i] = state.frameSum[i] * perFrame;
  std::visit([&](const auto& lane) { assemble(state.partition, state.options, lane.batches, how, control, out); }, state.lane);
  return out;
}

const char* kernel_path() noexcept { return lane_sums().name; }

}  // namespace xpcs
