// The correlator's state, its intake, and the assembly of the result from the tiles' sums. The per-tile work is in
// tile_kernel.hpp, the per-pixel work in pixel_kernel.hpp.
#include "xpcs/correlator.hpp"

#include <cmath>
#include <limits>
#include <mutex>
#include <variant>

#include "event_store.hpp"
#include "threads.hpp"
#include "tile_kernel.hpp"

namespace xpcs {

using IntegerTiles = std::vector<IntegerTile>;
using RealTiles = std::vector<RealTile>;

struct Correlator::State {
  Partition partition;
  CorrelatorOptions options;
  std::variant<IntegerTiles, RealTiles> tiles;
  std::vector<double> frameSum;  // per frame, before division
  std::uint64_t frames = 0;
  bool framesFixed = false;
  std::vector<double> weights;  // per frame, or empty
  std::uint64_t events = 0;

  [[nodiscard]] std::size_t tile_count() const { return (partition.pixelOfRank.size() + kTilePixels - 1) / kTilePixels; }

  template <class Tiles, class Count>
  void push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const Count> value) {
    if (frame.size() != pixel.size() || frame.size() != value.size()) {
      throw Error(Code::invalid_argument, "frame, pixel and count must have one length");
    }
    if (!std::holds_alternative<Tiles>(tiles)) {
      if (events > 0) throw Error(Code::invalid_argument, "one correlator takes either integer counts or real values, not both");
      tiles = Tiles(tile_count());
    }
    auto& list = std::get<Tiles>(tiles);
    if (list.empty()) list.resize(tile_count());
    const std::uint32_t pixels = partition.pixels();
    for (std::size_t i = 0; i < frame.size(); ++i) {
      if (pixel[i] >= pixels) {
        throw Error(Code::invalid_argument,
                    "pixel " + std::to_string(pixel[i]) + " of event " + std::to_string(i) + " is outside the detector of " + std::to_string(pixels) + " pixels");
      }
      if (frame[i] >= frames) {
        if (framesFixed) continue;
        frames = std::uint64_t{frame[i]} + 1;
      }
      const std::uint32_t rank = partition.rankOfPixel[pixel[i]];
      if (rank == Partition::kMasked) continue;
      if (frame[i] >= frameSum.size()) frameSum.resize(std::size_t{frame[i]} + 1, 0.0);
      frameSum[frame[i]] += static_cast<double>(value[i]) * (options.pixelFactor.empty() ? 1.0 : options.pixelFactor[pixel[i]]);
      list[rank >> kTileBits].add(frame[i], rank & (kTilePixels - 1), value[i]);
      ++events;
    }
  }
};

Correlator::Correlator(Partition partition, CorrelatorOptions options) : state_(std::make_unique<State>()) {
  if (options.dpl == 0 || options.dpl > 512) throw Error(Code::invalid_argument, "delays per level must be 1 to 512");
  if (options.average == 0) throw Error(Code::invalid_argument, "average must be at least 1 frame");
  if (!options.pixelFactor.empty() && options.pixelFactor.size() != partition.pixels()) {
    throw Error(Code::invalid_argument, "the flatfield has " + std::to_string(options.pixelFactor.size()) + " pixels, the detector " + std::to_string(partition.pixels()));
  }
  state_->partition = std::move(partition);
  state_->options = std::move(options);
}

Correlator::~Correlator() = default;
Correlator::Correlator(Correlator&&) noexcept = default;
Correlator& Correlator::operator=(Correlator&&) noexcept = default;

void Correlator::push(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const std::int64_t> count) {
  state_->push<IntegerTiles>(frame, pixel, count);
}

void Correlator::push_real(std::span<const std::uint32_t> frame, std::span<const std::uint32_t> pixel, std::span<const double> value) {
  state_->push<RealTiles>(frame, pixel, value);
}

void Correlator::set_frames(std::uint64_t frames) {
  if (frames > std::numeric_limits<std::uint32_t>::max()) throw Error(Code::invalid_argument, "a series may have at most 2^32 - 1 frames");
  state_->frames = frames;
  state_->framesFixed = true;
}

void Correlator::set_static_window(std::uint32_t frames) { state_->options.staticWindow = frames; }

void Correlator::set_frame_weights(std::vector<double> weights) { state_->weights = std::move(weights); }

std::uint64_t Correlator::events() const noexcept { return state_->events; }
const Partition& Correlator::partition() const noexcept { return state_->partition; }

namespace {

/// Weight of each frame: its share of the mean frame, as a divisor; 1 for an empty frame.
std::vector<double> frame_weights(const std::vector<double>& frameMean) {
  double mean = 0;
  for (const double value : frameMean) mean += value;
  mean /= static_cast<double>(frameMean.size());
  std::vector<double> weights(frameMean.size(), 1.0);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (frameMean[i] != 0) weights[i] = mean / frameMean[i];
  }
  return weights;
}

/// Sums over whole static and dynamic bins, collected from the tiles in rank order.
template <class Sum>
struct BinSums {
  std::vector<Sum> g2;         // [S, D] units of level 0
  std::vector<Sum> intensity;  // [S, B] by section of the frame axis
  std::vector<double> pairs;   // [Q, D]
  std::vector<double> ratio;   // [Q, D] sum of x
  std::vector<double> ratio2;  // [Q, D] sum of x^2
};

/// Divides and averages: g2_s = N_s sum(G2) / (sum IP * sum IF) per static bin, mean over the bins of q that have a value.
template <class Sum>
void normalize(const Partition& part, const FrameAxis& axis, const BinSums<Sum>& sums, CorrelationResult& out) {
  const std::size_t D = out.delays.size();
  const std::size_t Q = part.dynamicBins;
  const std::size_t B = axis.sections();
  out.g2.assign(D * Q, 0.0);
  out.g2Err.assign(D * Q, 0.0);
  out.pairs.assign(D * Q, 0.0);
  std::vector<std::uint32_t> averaged(D * Q, 0);
  for (std::uint32_t s = 0; s < part.staticBins; ++s) {
    if (part.correlatedPixels[s] == 0) continue;
    const std::size_t q = part.dynamicOfStatic[s];
    for (std::size_t d = 0; d < D; ++d) {
      const double past = axis.past(sums.intensity.data() + s * B, d);
      const double future = axis.future(sums.intensity.data() + s * B, d);
      const double terms = static_cast<double>(out.delays[d].terms);
      // The powers of 2^level and of the average cancel between numerator and denominator.
      const double g2 = part.correlatedPixels[s] * terms * static_cast<double>(sums.g2[s * D + d]) / (past * future);
      if (std::isnan(g2)) continue;
      out.g2[d * Q + q] += g2;
      ++averaged[d * Q + q];
    }
  }
  for (std::size_t q = 0; q < Q; ++q) {
    const double n = part.pixelsOfDynamic[q];
    for (std::size_t d = 0; d < D; ++d) {
      const std::size_t at = d * Q + q;
      out.g2[at] = averaged[at] > 0 ? out.g2[at] / averaged[at] : std::numeric_limits<double>::quiet_NaN();
      const double mean = sums.ratio[q * D + d] / n;
      const double variance = sums.ratio2[q * D + d] / n - mean * mean;
      // Rounding can leave a tiny negative variance where all pixels agree; NaN and infinity must stay visible.
      out.g2Err[at] = std::sqrt(variance < 0 ? 0 : variance) / std::sqrt(n);
      out.pairs[at] = sums.pairs[q * D + d];
    }
  }
}

/// Per static bin: mean counts per pixel and frame, over the series and per window.
void static_means(const Partition& part, const CorrelatorOptions& options, const std::vector<double>& total, const std::vector<double>& windows,
                  CorrelationResult& out) {
  const std::size_t S = part.staticBins;
  const auto mean = [&](double sum, std::size_t s, double frames) {
    return sum / (static_cast<double>(part.validPixels[s]) * frames * options.average);
  };
  out.partitionMeanTotal.resize(S);
  for (std::size_t s = 0; s < S; ++s) out.partitionMeanTotal[s] = mean(total[s], s, static_cast<double>(out.frames));
  out.partitionMeanPartial.resize(windows.size());
  for (std::size_t i = 0; i < windows.size(); ++i) out.partitionMeanPartial[i] = mean(windows[i], i % S, options.staticWindow);
}

template <class Sum, class Tiles>
void correlate(const Partition& part, const CorrelatorOptions& options, const Tiles& tiles, const std::vector<double>* weights,
               const ResultOptions& how, const Control& control, CorrelationResult& out) {
  const Scheme scheme(out.frames, options.dpl);
  out.delays = scheme.delays;
  const std::size_t D = scheme.delays.size();
  const FrameAxis axis(out.frames, scheme);
  const TileTask task{part, options, scheme, axis, weights, out.frames, how.perPixel ? &out : nullptr};
  out.pixelMean.assign(part.pixels(), 0.0);
  if (how.perPixel) {
    for (auto* matrix : {&out.perPixelG2, &out.perPixelIP, &out.perPixelIF}) matrix->assign(D * part.pixels(), 0.0F);
  }
  std::vector<TileSums<Sum>> done(tiles.size());
  std::atomic<std::size_t> finished{0};
  std::mutex reporting;
  std::vector<TileScratch<Sum>> scratch(std::max(1u, how.threads));
  parallel_for(tiles.size(), std::max(1u, how.threads), [&](std::size_t tile, unsigned worker) {
    control.check();
    done[tile] = correlate_tile<Sum>(task, tile, tiles[tile], scratch[worker], out.pixelMean);
    const std::size_t n = ++finished;
    const std::scoped_lock lock(reporting);
    control.report(Stage::correlating, static_cast<double>(n) / static_cast<double>(tiles.size()));
  });

  BinSums<Sum> sums{std::vector<Sum>(part.staticBins * D, Sum{0}), std::vector<Sum>(part.staticBins * axis.sections(), Sum{0}),
                    std::vector<double>(part.dynamicBins * D, 0.0), std::vector<double>(part.dynamicBins * D, 0.0),
                    std::vector<double>(part.dynamicBins * D, 0.0)};
  const std::size_t W = options.staticWindow > 0 ? out.frames / options.staticWindow : 0;
  std::vector<double> total(part.staticBins, 0.0);
  std::vector<double> windows(W * part.staticBins, 0.0);
  for (const TileSums<Sum>& tile : done) {
    for (const RunSums<Sum>& run : tile.runs) {
      for (std::size_t d = 0; d < run.g2.size(); ++d) sums.g2[run.staticBin * D + d] += run.g2[d];
      for (std::size_t b = 0; b < run.intensity.size(); ++b) sums.intensity[run.staticBin * axis.sections() + b] += run.intensity[b];
      total[run.staticBin] += run.total;
      for (std::size_t w = 0; w < W; ++w) windows[w * part.staticBins + run.staticBin] += run.windows[w];
      for (std::size_t d = 0; d < run.pairs.size(); ++d) {
        sums.pairs[run.dynamicBin * D + d] += run.pairs[d];
        sums.ratio[run.dynamicBin * D + d] += run.ratio[d];
        sums.ratio2[run.dynamicBin * D + d] += run.ratio2[d];
      }
    }
  }
  normalize(part, axis, sums, out);
  static_means(part, options, total, windows, out);
}

}  // namespace

CorrelationResult Correlator::result(const ResultOptions& how, const Control& control) const {
  const State& state = *state_;
  CorrelationResult out;
  out.frames = state.frames;
  out.events = state.events;
  out.frameMean.assign(state.frames, 0.0);
  const double perFrame = 1.0 / (static_cast<double>(state.partition.pixels()) * state.options.average);
  for (std::size_t i = 0; i < out.frameMean.size() && i < state.frameSum.size(); ++i) out.frameMean[i] = state.frameSum[i] * perFrame;
  const bool weighted = (state.options.normalizeByFrameSum || !state.weights.empty()) && state.frames > 0;
  std::vector<double> weights = state.weights;
  if (weighted && weights.empty()) weights = frame_weights(out.frameMean);
  if (weighted) weights.resize(state.frames, 1.0);
  const IntegerTiles none(state.tile_count());
  if (const auto* real = std::get_if<RealTiles>(&state.tiles)) {
    correlate<double>(state.partition, state.options, *real, weighted ? &weights : nullptr, how, control, out);
    return out;
  }
  const auto& held = std::get<IntegerTiles>(state.tiles);
  const IntegerTiles& tiles = held.empty() ? none : held;
  if (weighted || !state.options.pixelFactor.empty()) {
    correlate<double>(state.partition, state.options, tiles, weighted ? &weights : nullptr, how, control, out);
  } else {
    correlate<Int128>(state.partition, state.options, tiles, nullptr, how, control, out);
  }
  return out;
}

const char* kernel_path() noexcept { return "portable"; }

}  // namespace xpcs
