// Intake of the photons of the selected bins, and the order of the work. Which pixels: two_time_selection.cpp; what a frame is divided
// by: two_time_scales.cpp; the products: two_time_engine.hpp; means over blocks: two_time_multitau.cpp.
#include "xpcs/two_time.hpp"

#include <algorithm>
#include <limits>
#include <variant>

#include "two_time_curves.hpp"
#include "two_time_engine.hpp"
#include "two_time_multitau.hpp"
#include "two_time_selection.hpp"

namespace xpcs {

using twotime::Bin;
using twotime::FrameStore;
using twotime::Group;

/// Of the progress, where the blocks of multi-tau two-time come after the matrix; their work grows more slowly with the frames.
constexpr double kMatrixShare = 0.9;
/// One row has as many values as the series has frames.
constexpr std::uint64_t kFramesMax = 1u << 24;

const char* smoothing_name(Smoothing smoothing) noexcept {
  switch (smoothing) {
    case Smoothing::none: return "none";
    case Smoothing::symmetric: return "symmetric";
    case Smoothing::static_map: return "staticmap";
    case Smoothing::sqmap: return "sqmap";
    case Smoothing::dqmap: return "dqmap";
  }
  return "";
}

namespace {

/// Photons that are looked at together.
constexpr std::size_t kBlock = 4096;

/// The low bytes of n counts; returns all counts joined by "or". Negative ones are 0.
template <bool isSigned>
std::uint32_t low_bytes(const std::uint16_t* from, std::uint32_t n, std::uint8_t* to) {
  std::uint16_t joined = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    const auto negative = static_cast<std::uint16_t>(static_cast<std::int16_t>(from[i]) >> 15);
    const auto value = static_cast<std::uint16_t>(isSigned ? from[i] & ~negative : from[i]);
    joined = static_cast<std::uint16_t>(joined | value);
    to[i] = static_cast<std::uint8_t>(value);
  }
  return joined;
}

}  // namespace

struct TwoTime::State {
  TwoTimeOptions options;
  twotime::Selection selection;
  const std::vector<Group>& groups = selection.groups;
  const std::vector<Bin>& bins = selection.bins;
  std::variant<std::monostate, FrameStore<std::int32_t>, FrameStore<std::int64_t>, FrameStore<double>> store;
  std::uint64_t frames = 0;
  bool framesFixed = false;

  State(const Partition& partition, TwoTimeOptions set);

  template <class V>
  FrameStore<V>& store_of() {
    if (std::holds_alternative<std::monostate>(store)) store.emplace<FrameStore<V>>(selection.ranks);
    if (!std::holds_alternative<FrameStore<V>>(store)) throw Error(Code::invalid_argument, "one two-time analysis takes either integer counts or real values, not both");
    return std::get<FrameStore<V>>(store);
  }

  /// A count beyond 32 bits: all are kept in 64 from now on.
  void widen() {
    FrameStore<std::int64_t> wide(selection.ranks);
    if (auto* narrow = std::get_if<FrameStore<std::int32_t>>(&store)) narrow->pour(wide);
    store.emplace<FrameStore<std::int64_t>>(std::move(wide));
  }

  template <class V, class Count>
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Count> value, std::size_t from = 0) {
    FrameStore<V>& into = store_of<V>();
    std::uint32_t place[kBlock];
    for (; from < frame.size(); from += kBlock) {
      const std::size_t n = std::min(kBlock, frame.size() - from);
      const std::size_t chosen = chosen_of(frame.subspan(from, n), pixel.subspan(from, n), place);
      for (std::size_t j = 0; j < chosen; ++j) {
        const std::size_t i = from + place[j];
        if (framesFixed && frame[i] >= frames) continue;
        // Sums of repeated photons stay within the type: half of its range is left for them.
        if constexpr (std::is_same_v<V, std::int32_t>) {
          if (value[i] > std::numeric_limits<V>::max() / 2 || value[i] < std::numeric_limits<V>::min() / 2) {
            widen();
            push<std::int64_t>(frame, pixel, value, i);
            return;
          }
        }
        into.add(frame[i], selection.rank_of(pixel[i]), kept_value<V>(pixel[i], value[i]));
      }
    }
    check_bytes();
  }

  template <class V, class Count>
  [[nodiscard]] V kept_value(std::uint32_t pixel, Count value) const {
    if constexpr (std::is_same_v<V, double>) return static_cast<double>(value) * (options.pixelFactor.empty() ? 1.0 : options.pixelFactor[pixel]);
    return static_cast<V>(value);
  }

  /// The places of the photons that lie on selected pixels, ascending.
  std::size_t chosen_of(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::uint32_t* place) const {
    std::uint32_t largest = 0;
    std::uint32_t last = 0;
    for (const std::uint32_t p : pixel) largest = std::max(largest, p);
    for (const std::uint32_t f : frame) last = std::max(last, f);
    const std::size_t pixels = selection.rankOfPixel.size();
    if (largest >= pixels) {
      throw Error(Code::invalid_argument, "pixel " + std::to_string(largest) + " is outside the detector of " + std::to_string(pixels) + " pixels");
    }
    if (last >= kFramesMax && !framesFixed) throw Error(Code::invalid_argument, "a two-time analysis takes at most 16777216 frames; use --end or --average");
    return selection.choose(pixel, place);
  }

  [[nodiscard]] std::uint64_t held() const {
    return std::visit(
        [](const auto& kept) -> std::uint64_t {
          if constexpr (std::is_same_v<std::decay_t<decltype(kept)>, std::monostate>) {
            return 0;
          } else {
            return kept.bytes();
          }
        },
        store);
  }

  void check_bytes() const {
    const std::uint64_t bytes = held();
    if (bytes <= options.bytesMax) return;
    throw Error(Code::out_of_memory, "the photons of the selected q bins take more than " + std::to_string(options.bytesMax >> 20) +
                                         " MB of memory; choose fewer bins (--q-bins), a shorter range (--begin, --end), or raise --memory-gb");
  }

  template <class V>
  void correlate(FrameStore<V>& kept, const twotime::Scales& scales, const TwoTimeRun& how, twotime::Curves& curves);
  template <class V>
  void correlate_blocks(const FrameStore<V>& kept, const twotime::Scales& scales, const TwoTimeRun& how, MultitauTwoTime& out) const;
  template <class V>
  TwoTimeResult run(FrameStore<V>& kept, const TwoTimeRun& how);
};

TwoTime::State::State(const Partition& partition, TwoTimeOptions set) : options(std::move(set)) {
  if (options.bins.empty()) throw Error(Code::invalid_argument, "no q bin is selected for the two-time analysis; --q-bins names them");
  for (std::size_t i = 1; i < options.bins.size(); ++i) {
    if (options.bins[i] <= options.bins[i - 1]) throw Error(Code::invalid_argument, "the selected q bins must be ascending, each once");
  }
  if (options.window == 0 || options.average == 0) throw Error(Code::invalid_argument, "the window of g2partials and the average start at 1 frame");
  const bool boost = options.smoothing == Smoothing::sqmap || options.smoothing == Smoothing::dqmap;
  if (boost && options.filter == SmoothingFilter::average) {
    throw Error(Code::invalid_argument, "--smoothing-filter average goes with symmetric, staticmap and none, not with boost_corr's sqmap and dqmap");
  }
  selection = twotime::Selection(partition, options.bins, options.smoothing == Smoothing::static_map || options.smoothing == Smoothing::sqmap);
  if (bins.empty()) throw Error(Code::invalid_argument, "no pixel of the selected q bins is correlated");
}

TwoTime::TwoTime(const Partition& partition, TwoTimeOptions options) : state_(std::make_unique<State>(partition, std::move(options))) {}

TwoTime::~TwoTime() = default;

void TwoTime::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  if (!state_->options.pixelFactor.empty()) {
    state_->push<double>(frame, pixel, count);
  } else if (std::holds_alternative<FrameStore<std::int64_t>>(state_->store)) {
    state_->push<std::int64_t>(frame, pixel, count);
  } else {
    state_->push<std::int32_t>(frame, pixel, count);
  }
}

void TwoTime::push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) {
  state_->push<double>(frame, pixel, value);
}

/// A frame whose selected counts fit bytes is kept as it is; any other goes the way of events.
void TwoTime::push_dense(std::uint32_t first, std::span<const std::uint16_t> rows, std::size_t pixels, bool signedCounts) {
  State& state = *state_;
  const bool counts = state.options.pixelFactor.empty() && !std::holds_alternative<FrameStore<std::int64_t>>(state.store);
  if (pixels != state.selection.rankOfPixel.size()) throw Error(Code::invalid_argument, "dense frames must have " + std::to_string(state.selection.rankOfPixel.size()) + " counts each");
  for (std::size_t at = 0; at < rows.size(); at += pixels) {
    const std::uint16_t* row = rows.data() + at;
    const auto frame = first + static_cast<std::uint32_t>(at / pixels);
    const bool kept = counts && frame < kFramesMax && state.store_of<std::int32_t>().add_row(frame, [&](std::uint8_t* into) {
      std::uint32_t joined = 0;
      for (const twotime::PixelRun& run : state.selection.runs) {
        joined |= signedCounts ? low_bytes<true>(row + run.pixel, run.n, into + run.rank) : low_bytes<false>(row + run.pixel, run.n, into + run.rank);
      }
      return joined;
    });
    if (!kept) FrameSink::push_dense(frame, rows.subspan(at, pixels), pixels, signedCounts);
  }
  state.check_bytes();
}

void TwoTime::set_frames(std::uint64_t frames) {
  if (frames == 0 || frames > kFramesMax) throw Error(Code::invalid_argument, "a two-time analysis takes 1 to 16777216 frames");
  state_->frames = frames;
  state_->framesFixed = true;
}

std::vector<std::uint32_t> TwoTime::bins() const {
  std::vector<std::uint32_t> labels;
  for (const Bin& bin : state_->bins) labels.push_back(bin.label);
  return labels;
}

std::uint64_t two_time_bytes(const TwoTimeSize& size) {
  const std::uint64_t F = size.frames;
  // A frame with many photons is a row of bytes (values: of doubles), any other a list.
  const std::uint64_t whole = size.real ? std::max(8 * F * size.pixels, 16 * size.events) : std::max(F * size.pixels, 8 * size.events);
  using Store = FrameStore<double>;
  std::uint64_t bytes = std::min(20 * size.events, whole) + Store::kRowRoomBytes + Store::kListRoom * sizeof(twotime::Event<double>);
  bytes += F * (80 * size.bins + 24ull * size.threads + 64);  // four groups a bin
  if (size.chunk > 0) bytes += 2 * std::min(size.chunk, F) * (F + size.chunk) * sizeof(float) + 24 * F * size.bins;
  if (size.multitauDpl > 0) bytes += twotime::multitau_bytes(F, size.pixels, size.bins, size.multitauDpl, size.threads);
  return bytes;
}

/// While a band is computed, the one before it is taken and added to the curves.
template <class V>
void TwoTime::State::correlate(FrameStore<V>& kept, const twotime::Scales& scales, const TwoTimeRun& how, twotime::Curves& curves) {
  twotime::BandRoom rooms[2] = {{frames, how.chunk}, {frames, how.chunk}};
  std::size_t parts = 0, curveParts = 0, current = 0;
  const auto work_on = [&](std::size_t items, const auto& compute) {
    const C2Band before = rooms[1 - current].band();
    parallel_for(parts + curveParts + items, how.threads, [&](std::size_t item, unsigned) {
      if (item < parts) {
        how.take(before, item);
      } else if (item < parts + curveParts) {
        curves.add(before, item - parts);
      } else {
        compute(item - parts - curveParts);
      }
    });
  };
  std::vector<std::uint32_t> cursor(frames, 0);
  for (std::size_t b = 0; b < bins.size(); ++b) {
    const twotime::BinEngine<V> engine(kept, groups, bins[b], b, scales, how, cursor);
    for (std::uint64_t first = 0, rows = 0; first < frames; first += rows) {
      how.control.check();
      twotime::BandRoom& room = rooms[current];
      room.start(b, first);
      work_on(engine.items(room), [&](std::size_t item) { engine.compute(item, room); });
      parts = how.take ? (how.begin ? how.begin(room.band()) : 1) : 0;
      curveParts = curves.parts();
      const double part = static_cast<double>(first + room.rows()) / static_cast<double>(frames);
      how.control.report(Stage::correlating, (static_cast<double>(b) + part * (2 - part)) / static_cast<double>(bins.size()));
      rows = room.rows();
      current = 1 - current;
    }
  }
  work_on(0, [](std::size_t) {});
}

/// The multi-tau two-time correlation, bin by bin.
template <class V>
void TwoTime::State::correlate_blocks(const FrameStore<V>& kept, const twotime::Scales& scales, const TwoTimeRun& how, MultitauTwoTime& out) const {
  out.delays = multitau_delays(frames, options.multitauDpl);
  out.ageEdges = twotime::age_edges(frames, options.multitauDpl);
  out.start.assign(1, 0);
  for (const Delay& delay : out.delays) out.start.push_back(out.start.back() + delay.terms);
  for (std::size_t b = 0; b < bins.size(); ++b) {
    const auto rows = twotime::multitau_bin(kept, bins[b], {groups, scales, b, frames}, out.delays, how.threads, how.control);
    twotime::finish_multitau_bin(rows, bins.size(), b, out);
    how.control.report(Stage::correlating, static_cast<double>(b + 1) / static_cast<double>(bins.size()));
  }
}

template <class V>
TwoTimeResult TwoTime::State::run(FrameStore<V>& kept, const TwoTimeRun& how) {
  kept.finish(frames);
  std::vector<double> weights;
  if (options.normalizeByFrameSum && how.frameMean.size() == frames) {
    double mean = 0;
    for (const double value : how.frameMean) mean += value / static_cast<double>(frames);
    for (const double value : how.frameMean) weights.push_back(value != 0 ? mean / value : 1.0);
  }
  const std::vector<double> sums = twotime::group_sums(kept, groups, how.threads);
  twotime::Scales scales = twotime::make_scales(options, groups, bins, sums, frames, weights);
  TwoTimeResult out;
  out.frames = frames;
  for (const Bin& bin : bins) out.bins.push_back(bin.label);
  out.normalizers = groups.size();
  out.normalizerFrames = scales.sgFrames;
  out.sg = std::move(scales.sg);
  out.warnings = std::move(scales.warnings);
  const double matrixShare = !options.matrix ? 0.0 : options.multitauDpl > 0 ? kMatrixShare : 1.0;
  TwoTimeRun part = how;
  if (options.matrix) {
    twotime::Curves curves(frames, bins.size(), options.window);
    part.control = how.control.within(0, matrixShare);
    correlate(kept, scales, part, curves);
    curves.finish(out);
  }
  if (options.multitauDpl > 0) {
    part.control = how.control.within(matrixShare, 1);
    correlate_blocks(kept, scales, part, out.multitau);
  }
  return out;
}

TwoTimeResult TwoTime::run(const TwoTimeRun& how) {
  if (!state_->framesFixed) throw Error(Code::internal, "two-time: the number of frames was never set");
  if (state_->options.matrix && state_->options.window > state_->frames) {
    throw Error(Code::invalid_argument, "the window of " + std::to_string(state_->options.window) + " frames (g2partials) is longer than the series of " + std::to_string(state_->frames));
  }
  if (std::holds_alternative<std::monostate>(state_->store)) state_->store.emplace<FrameStore<std::int32_t>>(state_->selection.ranks);
  TwoTimeRun with = how;
  with.threads = std::max(1u, how.threads);
  return std::visit(
      [&](auto& kept) -> TwoTimeResult {
        if constexpr (std::is_same_v<std::decay_t<decltype(kept)>, std::monostate>) {
          throw Error(Code::internal, "two-time: no store");
        } else {
          return state_->run(kept, with);
        }
      },
      state_->store);
}

}  // namespace xpcs
