#include "xpcs/moments.hpp"

#include <cmath>
#include <limits>

namespace xpcs {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

BinTerm term_of(const Moments& all, std::size_t s, std::size_t d, Pooling pooling) {
  const Moment& moment = all.at(s, d);
  const double n = all.pixels[s];
  const double repeats = static_cast<double>(all.repeats);
  const double pooled = moment.past.value(all.exact) * moment.future.value(all.exact) / repeats;
  // An exact 0 has no sign; the plain product keeps the one that decides between the two infinities (negative counts).
  const double perRepeat = moment.pastFuture.value(all.exact);
  const double product = pooling == Pooling::per_repeat && perRepeat != 0 ? perRepeat : pooled;
  return {n, moment.products.value(all.exact), product / (n * static_cast<double>(all.terms[d])), moment.a, moment.b, moment.c};
}

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

MomentCurves curves_of(const Moments& moments, Pooling pooling, Averaging averaging) {
  const std::size_t D = moments.terms.size();
  const std::size_t Q = moments.dynamicBins;
  std::vector<std::vector<std::size_t>> members(Q);
  for (std::size_t s = 0; s < moments.staticBins; ++s) {
    if (moments.pixels[s] > 0) members[moments.dynamicOfStatic[s]].push_back(s);
  }
  MomentCurves curves{std::vector<double>(D * Q), std::vector<double>(D * Q)};
  std::vector<BinTerm> bins;
  for (std::size_t d = 0; d < D; ++d) {
    for (std::size_t q = 0; q < Q; ++q) {
      bins.clear();
      for (const std::size_t s : members[q]) bins.push_back(term_of(moments, s, d, pooling));
      const auto [g2, error] = average_bins(bins, averaging);
      curves.g2[d * Q + q] = g2;
      curves.g2Err[d * Q + q] = moments.pairs[d * Q + q] >= kPairsForError ? error : kNaN;
    }
  }
  return curves;
}

}  // namespace xpcs
