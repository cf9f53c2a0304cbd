#include "xpcs/moments.hpp"

#include <cmath>
#include <limits>

namespace xpcs {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Ratio {
  double g2, variance;
};

Ratio ratio_of(const Moments& all, std::size_t s, std::size_t d, Pooling pooling) {
  const Moment& moment = all.at(s, d);
  const double n = all.pixels[s];
  const double repeats = static_cast<double>(all.repeats);
  const double pooled = moment.past.value(all.exact) * moment.future.value(all.exact) / repeats;
  // An exact 0 has no sign; the plain product keeps the one that decides between the two infinities (negative counts).
  const double perRepeat = moment.pastFuture.value(all.exact);
  const double product = pooling == Pooling::per_repeat && perRepeat != 0 ? perRepeat : pooled;
  const double expected = product / (n * static_cast<double>(all.terms[d]));
  const double g2 = moment.products.value(all.exact) / expected;
  if (n < 2) return {g2, kNaN};
  const double square = moment.a - 2 * g2 * moment.b + g2 * g2 * moment.c;
  return {g2, (square < 0 ? 0 : square) * n / (n - 1) / (expected * expected)};
}

/// Plain mean over static bins, with the error of that mean.
struct BinMean {
  double sum = 0, sum2 = 0, variance = 0, n = 0;

  void add(const Ratio& ratio) {
    if (std::isnan(ratio.g2)) return;
    sum += ratio.g2;
    sum2 += ratio.g2 * ratio.g2;
    variance += ratio.variance;
    n += 1;
  }
  [[nodiscard]] double mean() const { return n > 0 ? sum / n : kNaN; }
  [[nodiscard]] double error() const {
    if (!std::isnan(variance)) return n > 0 ? std::sqrt(variance) / n : kNaN;
    return n < 2 ? kNaN : std::sqrt(std::max(sum2 / n - mean() * mean(), 0.0) / (n - 1));
  }
};

}  // namespace

void Moment::add(const Moment& other) {
  products.add(other.products);
  past.add(other.past);
  future.add(other.future);
  pastFuture.add(other.pastFuture);
  a += other.a;
  b += other.b;
  c += other.c;
}

void set_influence(Moment& moment, double pixels, double terms, bool exact, const SpreadSums& spread) {
  const double g = moment.products.value(exact);
  const double p = moment.past.value(exact);
  const double f = moment.future.value(exact);
  const double scale = 1 / (pixels * terms);
  const double expected = 2 * p * f * scale;  // sum over the pixels
  moment.a = spread.gg - g * g / pixels;
  moment.b = (f * spread.gp + p * spread.gf) * scale - g * expected / pixels;
  moment.c = (f * f * spread.pp + p * p * spread.ff + 2 * p * f * spread.pf) * scale * scale - expected * expected / pixels;
}

MomentCurves curves_of(const Moments& moments, Pooling pooling) {
  const std::size_t D = moments.terms.size();
  const std::size_t Q = moments.dynamicBins;
  std::vector<BinMean> means(D * Q);
  for (std::size_t s = 0; s < moments.staticBins; ++s) {
    if (moments.pixels[s] == 0) continue;
    for (std::size_t d = 0; d < D; ++d) means[d * Q + moments.dynamicOfStatic[s]].add(ratio_of(moments, s, d, pooling));
  }
  MomentCurves curves;
  for (std::size_t at = 0; at < D * Q; ++at) {
    curves.g2.push_back(means[at].mean());
    curves.g2Err.push_back(moments.pairs[at] >= kPairsForError ? means[at].error() : kNaN);
  }
  return curves;
}

}  // namespace xpcs
