#include "assemble.hpp"

#include <cmath>
#include <limits>
#include <mutex>

#include "dense_tile.hpp"
#include "threads.hpp"
#include "tile_kernel.hpp"

namespace xpcs {
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
  std::vector<Sum> g2, past, future;        // [S, D]
  std::vector<double> spread;               // [S, 6, D]
  std::vector<double> pairs, ratio, ratio2;  // [Q, D]
  std::vector<double> total;                // [S]
  std::vector<double> windows;              // [W, S]
};

template <class Sum>
void collect(const std::vector<std::vector<RunSums<Sum>>>& tiles, std::size_t staticBins, BinSums<Sum>& sums) {
  const auto add = [](auto& into, std::size_t row, const auto& from) {
    for (std::size_t i = 0; i < from.size(); ++i) into[row * from.size() + i] += from[i];
  };
  for (const auto& runs : tiles) {
    for (const RunSums<Sum>& run : runs) {
      sums.total[run.staticBin] += run.total;
      for (std::size_t w = 0; w < run.windows.size(); ++w) sums.windows[w * staticBins + run.staticBin] += run.windows[w];
      add(sums.g2, run.staticBin, run.g2);
      add(sums.past, run.staticBin, run.past);
      add(sums.future, run.staticBin, run.future);
      add(sums.spread, run.staticBin, run.spread);
      add(sums.pairs, run.dynamicBin, run.pairs);
      add(sums.ratio, run.dynamicBin, run.ratio);
      add(sums.ratio2, run.dynamicBin, run.ratio2);
    }
  }
}

/// g2 of one dynamic bin at one delay: plain mean over its static bins that have a value, with the error of that mean.
struct BinMean {
  double sum = 0, sum2 = 0, variance = 0, n = 0;

  void add(const BinRatio& ratio) {
    if (std::isnan(ratio.g2)) return;
    sum += ratio.g2;
    sum2 += ratio.g2 * ratio.g2;
    variance += ratio.variance;
    n += 1;
  }
  [[nodiscard]] double mean() const { return n > 0 ? sum / n : std::numeric_limits<double>::quiet_NaN(); }
  /// From the pixels' spread inside the static bins; where a bin of one pixel has none, from the spread of the bins.
  [[nodiscard]] double error() const {
    if (!std::isnan(variance)) return n > 0 ? std::sqrt(variance) / n : variance;
    if (n < 2) return std::numeric_limits<double>::quiet_NaN();
    return std::sqrt(std::max(sum2 / n - mean() * mean(), 0.0) / (n - 1));
  }
};

/// Divides and averages. The powers of 2^level and of the average cancel between numerator and denominator.
template <class Sum>
void normalize(const Partition& part, const BinSums<Sum>& sums, CorrelationResult& out) {
  const std::size_t D = out.delays.size();
  const std::size_t Q = part.dynamicBins;
  std::vector<BinMean> means(D * Q);
  for (std::uint32_t s = 0; s < part.staticBins; ++s) {
    if (part.correlatedPixels[s] == 0) continue;
    const std::size_t q = part.dynamicOfStatic[s];
    const double* spread = sums.spread.data() + std::size_t{s} * 6 * D;
    for (std::size_t d = 0; d < D; ++d) {
      const std::size_t at = s * D + d;
      const SpreadSums spreadHere{spread[d], spread[D + d], spread[2 * D + d], spread[3 * D + d], spread[4 * D + d], spread[5 * D + d]};
      means[d * Q + q].add(bin_ratio(part.correlatedPixels[s], static_cast<double>(out.delays[d].terms), static_cast<double>(sums.g2[at]),
                                     static_cast<double>(sums.past[at]), static_cast<double>(sums.future[at]), spreadHere));
    }
  }
  for (auto* matrix : {&out.g2, &out.g2Err, &out.g2SpreadErr, &out.pairs}) matrix->assign(D * Q, 0.0);
  for (std::size_t q = 0; q < Q; ++q) {
    const double n = part.pixelsOfDynamic[q];
    for (std::size_t d = 0; d < D; ++d) {
      const std::size_t at = d * Q + q;
      out.g2[at] = means[at].mean();
      out.pairs[at] = sums.pairs[q * D + d];
      out.g2Err[at] = out.pairs[at] >= kPairsForError ? means[at].error() : std::numeric_limits<double>::quiet_NaN();
      const double mean = sums.ratio[q * D + d] / n;
      const double variance = sums.ratio2[q * D + d] / n - mean * mean;
      // Rounding can leave a tiny negative variance where all pixels agree; NaN and infinity must stay visible.
      out.g2SpreadErr[at] = std::sqrt(variance < 0 ? 0 : variance) / std::sqrt(n);
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

/// Per worker: scratch for both widths of integers, or for real values.
template <class Edge>
struct Worker {
  TileScratch<std::int32_t> narrow;
  TileScratch<Edge> wide;
  CurveScratch<Edge> curve;
  DenseScratch dense;
};

/// Counts of one tile fit 32 bits, sums of one frame and of a level's block included.
bool fits_32_bits(const std::vector<IntegerBatch>& batches, std::size_t tile) {
  double magnitude = 0;
  for (const IntegerBatch& batch : batches) magnitude += batch.magnitude(tile);
  return magnitude < 2147483647.0;
}

/// One tile of events of integers, of real values, or of dense frames.
template <class Sum, class Edge>
std::vector<RunSums<Sum>> run_tile(const TileTask& task, std::size_t tile, const std::vector<IntegerBatch>& batches, Worker<Edge>& own, Worker<double>& real,
                                   std::vector<double>& pixelMean) {
  if constexpr (std::is_same_v<Sum, double>) {
    if (task.weights != nullptr) return correlate_tile<Sum>(task, tile, batches, real.wide, real.curve, pixelMean);
  }
  return fits_32_bits(batches, tile) ? correlate_tile<Sum>(task, tile, batches, own.narrow, own.curve, pixelMean)
                                     : correlate_tile<Sum>(task, tile, batches, own.wide, own.curve, pixelMean);
}
template <class Sum, class Edge>
std::vector<RunSums<Sum>> run_tile(const TileTask& task, std::size_t tile, const std::vector<RealBatch>& batches, Worker<Edge>&, Worker<double>& real,
                                   std::vector<double>& pixelMean) {
  return correlate_tile<Sum>(task, tile, batches, real.wide, real.curve, pixelMean);
}
template <class Sum, class Edge>
std::vector<RunSums<Sum>> run_tile(const TileTask& task, std::size_t tile, const std::vector<DenseBatch>& batches, Worker<Edge>& own, Worker<double>& real,
                                   std::vector<double>& pixelMean) {
  return correlate_dense_tile<Sum>(task, tile, batches, own.dense, own.curve, real.curve, pixelMean);
}

template <class Sum, class Batch>
void correlate(const Partition& part, const CorrelatorOptions& options, const std::vector<Batch>& batches, const std::vector<double>* weights,
               const ResultOptions& how, const Control& control, CorrelationResult& out) {
  const Scheme scheme(out.frames, options.dpl);
  out.delays = scheme.delays;
  const std::size_t D = scheme.delays.size();
  const std::size_t tileCount = (part.pixelOfRank.size() + kTilePixels - 1) / kTilePixels;
  const EdgeTable edges(scheme);
  const TileTask task{part, options, scheme, edges, weights, out.frames, how.perPixel ? &out : nullptr};
  out.pixelMean.assign(part.pixels(), 0.0);
  if (how.perPixel) {
    for (auto* matrix : {&out.perPixelG2, &out.perPixelIP, &out.perPixelIF}) matrix->assign(D * part.pixels(), 0.0F);
  }
  std::vector<std::vector<RunSums<Sum>>> done(tileCount);
  std::atomic<std::size_t> finished{0};
  std::mutex reporting;
  const unsigned threads = std::max(1U, how.threads);
  std::vector<Worker<std::int64_t>> workers(threads);
  std::vector<Worker<double>> real(threads);
  parallel_for(tileCount, threads, [&](std::size_t tile, unsigned worker) {
    control.check();
    done[tile] = run_tile<Sum>(task, tile, batches, workers[worker], real[worker], out.pixelMean);
    const std::size_t n = ++finished;
    const std::scoped_lock lock(reporting);
    control.report(Stage::correlating, static_cast<double>(n) / static_cast<double>(tileCount));
  });

  const std::size_t S = part.staticBins;
  const std::size_t Q = part.dynamicBins;
  const std::size_t W = options.staticWindow > 0 ? out.frames / options.staticWindow : 0;
  BinSums<Sum> sums{std::vector<Sum>(S * D, Sum{0}), std::vector<Sum>(S * D, Sum{0}), std::vector<Sum>(S * D, Sum{0}), std::vector<double>(S * 6 * D, 0.0),
                    std::vector<double>(Q * D, 0.0),  std::vector<double>(Q * D, 0.0),  std::vector<double>(Q * D, 0.0), std::vector<double>(S, 0.0),
                    std::vector<double>(W * S, 0.0)};
  collect(done, S, sums);
  normalize(part, sums, out);
  static_means(part, options, sums.total, sums.windows, out);
}

}  // namespace

namespace {

/// Real sums where values are not integers: frames with weights, a flatfield, real values.
template <class Batch>
void choose_sums(const Partition& part, const CorrelatorOptions& options, const std::vector<Batch>& batches, const ResultOptions& how, const Control& control,
                 CorrelationResult& out) {
  const bool weighted = (options.normalizeByFrameSum || !options.frameWeights.empty()) && out.frames > 0;
  std::vector<double> weights = options.frameWeights;
  if (weighted && weights.empty()) weights = frame_weights(out.frameMean);
  if (weighted) weights.resize(out.frames, 1.0);
  if constexpr (!std::is_same_v<Batch, RealBatch>) {
    if (!weighted && options.pixelFactor.empty()) return correlate<Int128>(part, options, batches, nullptr, how, control, out);
  }
  correlate<double>(part, options, batches, weighted ? &weights : nullptr, how, control, out);
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
