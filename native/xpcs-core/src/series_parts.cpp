#include "series_parts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "xpcs/error.hpp"

namespace xpcs {
namespace {

/// The same moments with the delays of a longer part: nothing has been counted there.
void widen(Moments& moments, const Moments& longer) {
  const std::size_t from = moments.terms.size();
  const std::size_t to = longer.terms.size();
  if (from >= to) return;
  std::vector<Moment> moment(moments.staticBins * to);
  for (std::size_t s = 0; s < moments.staticBins; ++s) {
    std::copy_n(moments.moment.begin() + static_cast<std::ptrdiff_t>(s * from), from, moment.begin() + static_cast<std::ptrdiff_t>(s * to));
  }
  moments.moment = std::move(moment);
  moments.terms.resize(to, 0);
  moments.delayFrames = longer.delayFrames;
  moments.pairs.resize(to * moments.dynamicBins, 0);
  if (moments.lagCovariance.empty()) return;
  std::vector<double> covariance(moments.dynamicBins * to * to, 0.0);
  for (std::size_t q = 0; q < moments.dynamicBins; ++q) {
    for (std::size_t d = 0; d < from; ++d) {
      const auto row = moments.lagCovariance.begin() + static_cast<std::ptrdiff_t>((q * from + d) * from);
      std::copy_n(row, from, covariance.begin() + static_cast<std::ptrdiff_t>((q * to + d) * to));
    }
  }
  moments.lagCovariance = std::move(covariance);
}

void refine(Moments& moments) {
  if (!moments.exact || moments.pastFutureBits == kBadFrameBits) return;
  for (Moment& moment : moments.moment) {
    if (std::abs(static_cast<double>(moment.pastFuture.whole)) > 1.6e38 / static_cast<double>(1U << kBadFrameBits)) {
      throw Error(Code::invalid_argument, "one static bin counts more than 1e16 photons: with gaps the sums would overflow");
    }
    moment.pastFuture.whole *= Int128{1} << kBadFrameBits;
  }
  moments.pastFutureBits = kBadFrameBits;
}

/// g2 = n N sum(products) / sum(past x future) is meant for one N. What is expected of a part of N terms is past x future / (n N), so with
/// N in all its product counts N / N_part times.
void count_with(Moments& moments, const std::vector<std::uint64_t>& terms) {
  const std::size_t D = terms.size();
  for (std::size_t d = 0; d < D; ++d) {
    if (moments.terms[d] == 0) continue;
    const long double factor = static_cast<long double>(terms[d]) / static_cast<long double>(moments.terms[d]);
    for (std::size_t s = 0; s < moments.staticBins; ++s) {
      Number& product = moments.moment[s * D + d].pastFuture;
      product.whole = static_cast<Int128>(std::roundl(static_cast<long double>(product.whole) * factor));
      product.real = static_cast<double>(static_cast<long double>(product.real) * factor);
    }
  }
}

void add_moments(Moments& total, Moments part) {
  widen(total, part);
  widen(part, total);
  refine(total);
  refine(part);
  std::vector<std::uint64_t> terms(total.terms.size());
  for (std::size_t d = 0; d < terms.size(); ++d) terms[d] = total.terms[d] + part.terms[d];
  count_with(total, terms);
  count_with(part, terms);
  const std::uint64_t repeats = total.repeats;
  add_repeats(total, part, 0);
  total.repeats = repeats;  // one series, with holes
  total.terms = std::move(terms);
}

/// Mean of two means over so many frames each.
void average(std::vector<double>& total, double frames, const std::vector<double>& part, double more) {
  for (std::size_t i = 0; i < total.size(); ++i) total[i] = (total[i] * frames + part[i] * more) / (frames + more);
}

/// Frames that row i of a trace stands for.
double length_of_row(std::uint64_t frames, std::uint64_t perRow, std::size_t i) {
  return static_cast<double>(std::min(perRow, frames - static_cast<std::uint64_t>(i) * perRow));
}

void add_trace(CorrelationResult& total, std::uint64_t totalSpan, const CorrelationResult& part, std::uint64_t span, std::uint64_t rowsMax) {
  const std::uint64_t end = span + part.frames;
  std::uint64_t perRow = std::max(total.framesPerMean, part.framesPerMean);
  while ((end + perRow - 1) / perRow > rowsMax) perRow *= 2;
  std::vector<double> sums((end + perRow - 1) / perRow, 0.0);
  const auto take = [&](const CorrelationResult& from, std::uint64_t first, std::uint64_t frames) {
    for (std::size_t i = 0; i < from.frameMean.size(); ++i) {
      sums[(first + static_cast<std::uint64_t>(i) * from.framesPerMean) / perRow] += from.frameMean[i] * length_of_row(frames, from.framesPerMean, i);
    }
  };
  take(total, 0, totalSpan);
  take(part, span, part.frames);
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] /= length_of_row(end, perRow, i);
  total.frameMean = std::move(sums);
  total.framesPerMean = perRow;
}

}  // namespace

void add_part(CorrelationResult& total, std::uint64_t end, const CorrelationResult& part, std::uint64_t span, std::uint64_t rowsMax) {
  if (part.frames == 0) return;
  const bool first = total.frames == 0;
  if (first) {
    total = part;
    total.frameMean.clear();
  }
  add_trace(total, end, part, span, rowsMax);
  if (first) return;
  const auto frames = static_cast<double>(total.frames);
  const auto more = static_cast<double>(part.frames);
  average(total.partitionMeanTotal, frames, part.partitionMeanTotal, more);
  average(total.pixelMean, frames, part.pixelMean, more);
  if (part.delays.size() > total.delays.size()) total.delays = part.delays;
  add_moments(total.moments, part.moments);
  for (std::size_t d = 0; d < total.delays.size(); ++d) total.delays[d].terms = total.moments.terms[d];
  total.frames += part.frames;
  total.events += part.events;
  total.partitionMeanPartial.clear();
  const MomentCurves curves = curves_of(total.moments, Pooling::per_repeat);
  total.g2 = curves.g2;
  total.g2Err = curves.g2Err;
  total.g2SpreadErr.assign(total.g2.size(), std::numeric_limits<double>::quiet_NaN());  // of pixels, which no sum knows
}

}  // namespace xpcs
