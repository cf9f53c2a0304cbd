// Selection of the bins, intake of their photons, and the order of the work. What a frame is divided by: two_time_scales.cpp; the
// products: two_time_engine.hpp.
#include "xpcs/two_time.hpp"

#include <limits>
#include <variant>

#include "two_time_curves.hpp"
#include "two_time_engine.hpp"

namespace xpcs {

using twotime::Bin;
using twotime::FrameStore;
using twotime::Group;

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

struct TwoTime::State {
  TwoTimeOptions options;
  std::vector<std::uint32_t> pixelOfRank;  // of the selected ranks
  std::vector<std::uint32_t> rankOfPixel;  // selected rank; kMasked where the pixel is of no selected bin
  std::vector<Group> groups;
  std::vector<Bin> bins;
  std::uint32_t ranks = 0;
  std::variant<std::monostate, FrameStore<std::int32_t>, FrameStore<std::int64_t>, FrameStore<double>> store;
  std::uint64_t frames = 0;
  bool framesFixed = false;

  void select(const Partition& partition);

  template <class V>
  FrameStore<V>& store_of() {
    if (std::holds_alternative<std::monostate>(store)) store.emplace<FrameStore<V>>(ranks);
    if (!std::holds_alternative<FrameStore<V>>(store)) throw Error(Code::invalid_argument, "one two-time analysis takes either integer counts or real values, not both");
    return std::get<FrameStore<V>>(store);
  }

  /// A count beyond 32 bits: all are kept in 64 from now on.
  void widen() {
    FrameStore<std::int64_t> wide(ranks);
    if (auto* narrow = std::get_if<FrameStore<std::int32_t>>(&store)) narrow->pour(wide);
    store.emplace<FrameStore<std::int64_t>>(std::move(wide));
  }

  template <class V, class Count>
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Count> value, std::size_t from = 0) {
    FrameStore<V>& into = store_of<V>();
    const std::uint32_t* rankOf = rankOfPixel.data();
    const std::size_t pixels = rankOfPixel.size();
    for (std::size_t i = from; i < frame.size(); ++i) {
      if (pixel[i] >= pixels) {
        throw Error(Code::invalid_argument, "pixel " + std::to_string(pixel[i]) + " is outside the detector of " + std::to_string(pixels) + " pixels");
      }
      const std::uint32_t rank = rankOf[pixel[i]];
      if (rank == Partition::kMasked || (framesFixed && frame[i] >= frames)) continue;
      if (frame[i] >= kFramesMax) throw Error(Code::invalid_argument, "a two-time analysis takes at most 16777216 frames; use --end or --average");
      if constexpr (std::is_same_v<V, double>) {
        into.add(frame[i], rank, static_cast<double>(value[i]) * (options.pixelFactor.empty() ? 1.0 : options.pixelFactor[pixel[i]]));
      } else {
        // Sums of repeated photons stay within the type: half of its range is left for them.
        if constexpr (sizeof(V) == 4) {
          if (value[i] > std::numeric_limits<V>::max() / 2 || value[i] < std::numeric_limits<V>::min() / 2) {
            widen();
            push<std::int64_t>(frame, pixel, value, i);
            return;
          }
        }
        into.add(frame[i], rank, static_cast<V>(value[i]));
      }
    }
    check_bytes();
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
  TwoTimeResult run(FrameStore<V>& kept, const TwoTimeRun& how);
};

void TwoTime::State::select(const Partition& partition) {
  const bool perStatic = options.smoothing == Smoothing::static_map || options.smoothing == Smoothing::sqmap;
  rankOfPixel.assign(partition.pixels(), Partition::kMasked);
  std::size_t rank = 0;
  for (const std::uint32_t label : options.bins) {
    if (label == 0 || label > partition.dynamicBins) {
      throw Error(Code::invalid_argument, "q bin " + std::to_string(label) + " does not exist; the map has 1 to " + std::to_string(partition.dynamicBins));
    }
    Bin bin{label, ranks, ranks, static_cast<std::uint32_t>(groups.size()), 0};
    std::uint32_t lastStatic = Partition::kMasked;
    for (; rank < partition.pixelOfRank.size() && partition.dynamicOfRank[rank] < label; ++rank) {
      if (partition.dynamicOfRank[rank] + 1 != label || partition.correlated[rank] == 0) continue;
      const std::uint32_t s = partition.staticOfRank[rank];
      if (groups.size() == bin.firstGroup || (perStatic && s != lastStatic)) {
        groups.push_back({ranks, ranks, static_cast<std::uint32_t>(bins.size()), perStatic ? s + 1 : 0});
      }
      lastStatic = s;
      pixelOfRank.push_back(partition.pixelOfRank[rank]);
      rankOfPixel[partition.pixelOfRank[rank]] = ranks++;
      groups.back().end = ranks;
    }
    bin.end = ranks;
    bin.endGroup = static_cast<std::uint32_t>(groups.size());
    if (bin.pixels() > 0) bins.push_back(bin);
  }
}

TwoTime::TwoTime(const Partition& partition, TwoTimeOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  const TwoTimeOptions& set = state_->options;
  if (set.bins.empty()) throw Error(Code::invalid_argument, "no q bin is selected for the two-time analysis; --q-bins names them");
  for (std::size_t i = 1; i < set.bins.size(); ++i) {
    if (set.bins[i] <= set.bins[i - 1]) throw Error(Code::invalid_argument, "the selected q bins must be ascending, each once");
  }
  if (set.window == 0 || set.average == 0) throw Error(Code::invalid_argument, "the window of g2partials and the average start at 1 frame");
  const bool boost = set.smoothing == Smoothing::sqmap || set.smoothing == Smoothing::dqmap;
  if (boost && set.filter == SmoothingFilter::average) {
    throw Error(Code::invalid_argument, "--smoothing-filter average goes with symmetric, staticmap and none, not with boost_corr's sqmap and dqmap");
  }
  state_->select(partition);
  if (state_->bins.empty()) throw Error(Code::invalid_argument, "no pixel of the selected q bins is correlated");
}

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
  if (pixels != state.rankOfPixel.size()) throw Error(Code::invalid_argument, "dense frames must have " + std::to_string(state.rankOfPixel.size()) + " counts each");
  for (std::size_t at = 0; at < rows.size(); at += pixels) {
    const std::uint16_t* row = rows.data() + at;
    const auto frame = first + static_cast<std::uint32_t>(at / pixels);
    const bool kept = counts && frame < kFramesMax && state.store_of<std::int32_t>().add_row(frame, [&](std::uint32_t rank) {
      const std::uint16_t value = row[state.pixelOfRank[rank]];
      return signedCounts && value >= 0x8000 ? std::uint16_t{0} : value;
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

std::uint64_t TwoTime::bytes_held() const { return state_->held(); }

namespace {

std::uint64_t work_bytes(std::uint64_t frames, std::uint64_t groups, std::uint64_t bins, unsigned threads, std::uint64_t bandRows) {
  const std::uint64_t band = std::min(bandRows, frames) * frames * sizeof(float);
  return 2 * band + frames * (16 * groups + 40 * bins + 24ull * threads + 64);
}

}  // namespace

std::uint64_t TwoTime::bytes_to_run(unsigned threads, std::uint64_t bandRows) const {
  return state_->held() + work_bytes(state_->frames, state_->groups.size(), state_->bins.size(), threads, bandRows);
}

std::uint64_t two_time_bytes(std::uint64_t frames, std::uint64_t events, std::uint64_t pixels, std::uint64_t bins, unsigned threads, std::uint64_t bandRows) {
  const std::uint64_t lists = 16 * events;
  const std::uint64_t rows = frames * pixels;
  return std::min(lists, std::max(rows, 8 * events)) + work_bytes(frames, 4 * bins, bins, threads, bandRows);
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
  twotime::Curves curves(frames, bins.size(), options.window);
  // Work on a bin overwrites the ranks of its photons, so that a later bin is found behind it only.
  std::vector<std::uint32_t> cursor(frames, 0);
  for (std::size_t b = 0; b < bins.size(); ++b) {
    twotime::BinEngine<V> engine(kept, groups, bins[b], b, scales, how, cursor);
    engine.run([&](const C2Band& band) {
      curves.add(band, how.threads);
      if (how.take) how.take(band);
      const double part = static_cast<double>(band.firstRow + band.rows) / static_cast<double>(frames);
      how.control.report(Stage::correlating, (static_cast<double>(b) + part * (2 - part)) / static_cast<double>(bins.size()));
    });
  }
  TwoTimeResult out;
  out.frames = frames;
  for (const Bin& bin : bins) out.bins.push_back(bin.label);
  out.normalizers = groups.size();
  out.normalizerFrames = scales.sgFrames;
  out.sg = std::move(scales.sg);
  out.warnings = std::move(scales.warnings);
  curves.finish(out);
  return out;
}

TwoTimeResult TwoTime::run(const TwoTimeRun& how) {
  if (!state_->framesFixed) throw Error(Code::internal, "two-time: the number of frames was never set");
  if (state_->options.window > state_->frames) {
    throw Error(Code::invalid_argument, "the window of " + std::to_string(state_->options.window) + " frames (g2partials) is longer than the series of " + std::to_string(state_->frames));
  }
  if (std::holds_alternative<std::monostate>(state_->store)) state_->store.emplace<FrameStore<std::int32_t>>(state_->ranks);
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
