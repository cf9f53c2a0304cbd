#include "assemble.hpp"

#include <cmath>
#include <limits>
#include <mutex>
#include <optional>

#include "count_tile.hpp"
#include "tile_kernel.hpp"

namespace xpcs {
namespace {

/// Weights of frames that are divided by `divisor`, but for its mean, which they are all multiplied with.
struct FrameWeights {
  std::vector<double> weights;
  double scale = 0;

  FrameWeights(const std::vector<double>& divisor, std::size_t frames) : weights(frames) {
    for (std::size_t i = 0; i < frames; ++i) {
      scale += divisor[i];
      weights[i] = frame_weight(divisor[i]);
    }
    scale /= static_cast<double>(frames);
  }
};

template <class Sum>
Number number_of(Sum sum) {
  if constexpr (std::is_same_v<Sum, double>) return {0, sum};
  else return {sum, 0};
}

/// Product of two sums; exact while it fits 128 bits, which every detector's counts do.
template <class Sum>
Number product_of(Sum a, Sum b) {
  if constexpr (std::is_same_v<Sum, double>) {
    return {0, a * b};
  } else {
    const double size = std::abs(static_cast<double>(a)) * std::abs(static_cast<double>(b));
    if (size > 1.6e38) throw Error(Code::invalid_argument, "one static bin counts more than 1e19 photons: the sums would overflow");
    return {a * b, 0};
  }
}

template <class Sum>
Moments moments_of(const Partition& part, const BinSums<Sum>& sums, const std::vector<Delay>& delays) {
  Moments out;
  out.exact = !std::is_same_v<Sum, double>;
  out.staticBins = part.staticBins;
  out.dynamicBins = part.dynamicBins;
  out.dynamicOfStatic = part.dynamicOfStatic;
  out.pixels = part.correlatedPixels;
  const std::size_t D = delays.size();
  for (const Delay& delay : delays) {
    out.terms.push_back(delay.terms);
    out.delayFrames.push_back(delay.frames);
  }
  out.moment.resize(out.staticBins * D);
  for (std::size_t s = 0; s < out.staticBins; ++s) {
    const double* spread = sums.spread.data() + s * 6 * D;
    for (std::size_t d = 0; d < D; ++d) {
      const std::size_t at = s * D + d;
      Moment& moment = out.moment[at];
      moment.products = number_of(sums.g2[at]);
      moment.past = number_of(sums.past[at]);
      moment.future = number_of(sums.future[at]);
      moment.pastFuture = product_of(sums.past[at], sums.future[at]);
      if (out.pixels[s] == 0) continue;
      set_influence(moment, out.pixels[s], static_cast<double>(delays[d].terms), out.exact,
                    {spread[d], spread[D + d], spread[2 * D + d], spread[3 * D + d], spread[4 * D + d], spread[5 * D + d]});
    }
  }
  out.pairs.resize(D * out.dynamicBins);
  for (std::size_t q = 0; q < out.dynamicBins; ++q) {
    for (std::size_t d = 0; d < D; ++d) out.pairs[d * out.dynamicBins + q] = sums.pairs[q * D + d];
  }
  return out;
}

/// XPCS-Eigen's error: population spread over all pixels of q of G2/(IP IF), pixels without a value as 0, over sqrt(N).
template <class Sum>
std::vector<double> spread_errors(const Partition& part, const BinSums<Sum>& sums, std::size_t D) {
  const std::size_t Q = part.dynamicBins;
  std::vector<double> errors(D * Q);
  for (std::size_t q = 0; q < Q; ++q) {
    const double n = part.pixelsOfDynamic[q];
    for (std::size_t d = 0; d < D; ++d) {
      const double mean = sums.ratio[q * D + d] / n;
      const double variance = sums.ratio2[q * D + d] / n - mean * mean;
      // Rounding can leave a tiny negative variance where all pixels agree; NaN and infinity must stay visible.
      errors[d * Q + q] = std::sqrt(variance < 0 ? 0 : variance) / std::sqrt(n);
    }
  }
  return errors;
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

}  // namespace

template <class Sum>
void assemble_sums(const TileTask& task, const BinSums<Sum>& sums, Averaging averaging, CorrelationResult& out) {
  out.moments = moments_of(task.part, sums, out.delays);
  set_lag_covariance(out.moments, task.groups, sums.groups, averaging);
  MomentCurves curves = curves_of(out.moments, Pooling::per_repeat);
  out.g2 = std::move(curves.g2);
  out.g2Err = std::move(curves.g2Err);
  out.g2SpreadErr = spread_errors(task.part, sums, out.delays.size());
  static_means(task.part, task.options, sums.total, sums.windows, out);
}

template void assemble_sums(const TileTask&, const BinSums<Int128>&, Averaging, CorrelationResult&);
template void assemble_sums(const TileTask&, const BinSums<double>&, Averaging, CorrelationResult&);

void make_pixel_room(CorrelationResult& out, std::size_t pixels, bool perPixel) {
  out.pixelMean.assign(pixels, 0.0);
  if (!perPixel) return;
  for (auto* matrix : {&out.perPixelG2, &out.perPixelIP, &out.perPixelIF}) matrix->assign(out.delays.size() * pixels, 0.0F);
}

namespace {

/// What one worker reuses from tile to tile.
struct Worker {
  CountTile counts;
  TileScratch<std::int64_t> integers;
  CurveScratch<std::int64_t> integerCurve;
  TileScratch<double> reals;
  CurveScratch<double> realCurve;
};

/// Counts of one tile add up to less than 2^31.
bool fits_32_bits(const std::vector<IntegerBatch>& batches, std::size_t tile) {
  double bound = 0;
  for (const IntegerBatch& batch : batches) bound += batch.magnitude(tile);
  if (bound < 2147483647.0) return true;
  double sum = 0;
  for (const IntegerBatch& batch : batches) batch.for_each(tile, [&](std::uint32_t, std::uint32_t, std::int64_t count) { sum += std::abs(static_cast<double>(count)); });
  return sum < 2147483647.0;
}

/// No count is negative, and photons come in the order of their frames, few enough for them to be numbered in 31 bits.
bool in_order(const std::vector<IntegerBatch>& batches, std::uint64_t frames) {
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (!batches[i].plain() || (i > 0 && batches[i].base() < batches[i - 1].last_frame())) return false;
  }
  return frames < std::uint64_t{1} << 30;
}
bool in_order(const std::vector<RealBatch>&, std::uint64_t) { return false; }
bool in_order(const std::vector<DenseBatch>&, std::uint64_t) { return true; }

template <class Sum>
std::vector<RunSums<Sum>> run_tile(const TileTask& task, std::size_t tile, const std::vector<IntegerBatch>& batches, bool ordered, Worker& own, std::vector<double>& pixelMean) {
  if constexpr (std::is_same_v<Sum, double>) {
    if (task.weights != nullptr) return correlate_tile<Sum>(task, tile, batches, own.reals, own.realCurve, pixelMean);
  }
  if (ordered && fits_32_bits(batches, tile)) return own.counts.correlate<Sum>(task, tile, batches, pixelMean);
  return correlate_tile<Sum>(task, tile, batches, own.integers, own.integerCurve, pixelMean);
}
template <class Sum>
std::vector<RunSums<Sum>> run_tile(const TileTask& task, std::size_t tile, const std::vector<RealBatch>& batches, bool, Worker& own, std::vector<double>& pixelMean) {
  return correlate_tile<Sum>(task, tile, batches, own.reals, own.realCurve, pixelMean);
}
template <class Sum>
std::vector<RunSums<Sum>> run_tile(const TileTask& task, std::size_t tile, const std::vector<DenseBatch>& batches, bool, Worker& own, std::vector<double>& pixelMean) {
  if constexpr (std::is_same_v<Sum, double>) {
    if (task.weights != nullptr) return correlate_weighted_tile<Sum>(task, tile, batches, own.reals, own.realCurve, pixelMean);
  }
  return own.counts.correlate<Sum>(task, tile, batches, pixelMean);
}

template <class Sum, class Batch>
void correlate(const Partition& part, const CorrelatorOptions& options, const std::vector<Batch>& batches, const FrameWeights* weights,
               const ResultOptions& how, const Control& control, CorrelationResult& out) {
  const Scheme scheme(out.frames, options.dpl);
  out.delays = scheme.delays;
  const std::size_t tileCount = tile_count(part.pixelOfRank.size());
  const EdgeTable edges(scheme);
  const StopTable stops(scheme);
  const GroupPlan groups(part);
  const TileTask task{part, options, scheme, edges, stops, groups, weights != nullptr ? &weights->weights : nullptr, out.frames, how.perPixel ? &out : nullptr,
                      weights != nullptr ? weights->scale : 1};
  make_pixel_room(out, part.pixels(), how.perPixel);
  const unsigned threads = std::max(1U, how.threads);
  TileCollector<Sum> collector(task, threads);
  std::atomic<std::size_t> finished{0};
  std::mutex reporting;
  std::vector<Worker> workers(threads);
  const bool ordered = in_order(batches, out.frames);
  collect_tiles(collector, tileCount, threads, [&](std::size_t tile, unsigned worker) {
    control.check();
    auto runs = run_tile<Sum>(task, tile, batches, ordered, workers[worker], out.pixelMean);
    const std::size_t n = ++finished;
    const std::scoped_lock lock(reporting);
    control.report(Stage::correlating, static_cast<double>(n) / static_cast<double>(tileCount));
    return runs;
  });
  assemble_sums(task, collector.sums(), how.averaging, out);
}

}  // namespace

void check_monitor_covers(const std::vector<double>& monitor, std::uint64_t frames) {
  if (monitor.empty() || monitor.size() >= frames) return;
  throw Error(Code::invalid_argument, "the monitor has " + std::to_string(monitor.size()) + " values for " + std::to_string(frames) + " frames");
}

namespace {

/// Real sums where values are not integers: frames with weights, a flatfield, real values.
template <class Batch>
void choose_sums(const Partition& part, const CorrelatorOptions& options, const std::vector<Batch>& batches, const ResultOptions& how, const Control& control,
                 CorrelationResult& out) {
  check_monitor_covers(options.monitor, out.frames);
  std::optional<FrameWeights> weights;
  if ((options.normalizeByFrameSum || !options.monitor.empty()) && out.frames > 0) weights.emplace(options.monitor.empty() ? out.frameMean : options.monitor, out.frames);
  if constexpr (!std::is_same_v<Batch, RealBatch>) {
    if (!weights && options.pixelFactor.empty()) return correlate<Int128>(part, options, batches, nullptr, how, control, out);
  }
  correlate<double>(part, options, batches, weights ? &*weights : nullptr, how, control, out);
}

}  // namespace

void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<IntegerBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out) {
  choose_sums(part, options, batches, how, control, out);
}
void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<RealBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out) {
  choose_sums(part, options, batches, how, control, out);
}
void assemble(const Partition& part, const CorrelatorOptions& options, const std::vector<DenseBatch>& batches, const ResultOptions& how,
              const Control& control, CorrelationResult& out) {
  choose_sums(part, options, batches, how, control, out);
}

}  // namespace xpcs
