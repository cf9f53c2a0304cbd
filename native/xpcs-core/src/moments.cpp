#include "xpcs/moments.hpp"
#include <algorithm>
#include <cmath>
#include <limits>

#include "xpcs/error.hpp"

namespace xpcs {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Share of the pairs that count over those of the past and future frames that do: repeats pooled. 1 where every frame counts.
double all_good_share(const Moments& all, std::size_t d) {
  if (all.goodPairs.empty()) return 1;
  const auto mean = [&](const std::vector<std::int64_t>& share) {
    return std::ldexp(static_cast<double>(share[d]), -static_cast<int>(kShareBits)) / static_cast<double>(all.repeats);
  };
  const double pairs = mean(all.goodPairs);
  return pairs > 0 ? pairs / (mean(all.goodPast) * mean(all.goodFuture)) : 0;
}

void count_all_as_good(Moments& moments) {
  if (!moments.goodPairs.empty()) return;
  const auto all = static_cast<std::int64_t>(moments.repeats) * (std::int64_t{1} << kShareBits);
  for (auto* share : {&moments.goodPairs, &moments.goodPast, &moments.goodFuture}) share->assign(moments.terms.size(), all);
}

/// Exact products of past and future in finer units.
void refine_products(Moments& moments, std::uint32_t bits) {
  constexpr double kMax = 1.6e38;
  const Int128 scale = Int128{1} << (bits - moments.pastFutureBits);
  for (Moment& moment : moments.moment) {
    if (std::abs(static_cast<double>(moment.pastFuture.whole)) * static_cast<double>(scale) > kMax) {
      throw Error(Code::invalid_argument, "one static bin counts more than 1e16 photons: with bad frames the sums would overflow");
    }
    moment.pastFuture.whole *= scale;
  }
  moments.pastFutureBits = bits;
}

BinTerm term_of(const Moments& all, std::size_t s, std::size_t d, Pooling pooling) {
  const Moment& moment = all.at(s, d);
  const double n = all.pixels[s];
  const double repeats = static_cast<double>(all.repeats);
  const double pooled = moment.past.value(all.exact) * moment.future.value(all.exact) / repeats * all_good_share(all, d);
  // An exact 0 has no sign; the plain product keeps the one that decides between the two infinities (negative counts).
  const double perRepeat = std::ldexp(moment.pastFuture.value(all.exact), -static_cast<int>(all.pastFutureBits));
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

void set_good_shares(Moments& moments, std::size_t d, double pairs, double past, double future) {
  count_all_as_good(moments);
  if (moments.exact && moments.pastFutureBits == 0) refine_products(moments, kBadFrameBits);
  const auto fixed = [](double share) { return static_cast<std::int64_t>(std::llround(std::ldexp(share, static_cast<int>(kShareBits)))); };
  moments.goodPairs[d] = fixed(pairs);
  moments.goodPast[d] = fixed(past);
  moments.goodFuture[d] = fixed(future);
  const double left = pairs > 0 ? pairs / (past * future) : 0;
  const std::size_t D = moments.terms.size();
  for (std::size_t s = 0; s < moments.staticBins; ++s) {
    Moment& moment = moments.moment[s * D + d];
    // Long double holds the 128-bit product to 64 bits: the rounding of a share is far below that of any count.
    moment.pastFuture.whole = static_cast<Int128>(std::roundl(static_cast<long double>(moment.pastFuture.whole) * static_cast<long double>(left)));
    moment.pastFuture.real *= left;
    moment.b *= left;
    moment.c *= left * left;
  }
}

void add_repeats(Moments& total, const Moments& other, std::uint64_t frames) {
  Moments more = other;
  if (!total.goodPairs.empty() || !more.goodPairs.empty()) {
    count_all_as_good(total);
    count_all_as_good(more);
    for (auto share : {&Moments::goodPairs, &Moments::goodPast, &Moments::goodFuture}) {
      for (std::size_t d = 0; d < total.terms.size(); ++d) (total.*share)[d] += (more.*share)[d];
    }
  }
  const std::uint32_t bits = std::max(total.pastFutureBits, more.pastFutureBits);
  if (bits > total.pastFutureBits) refine_products(total, bits);
  if (bits > more.pastFutureBits) refine_products(more, bits);
  for (std::size_t at = 0; at < total.moment.size(); ++at) total.moment[at].add(more.moment[at]);
  for (std::size_t at = 0; at < total.pairs.size(); ++at) total.pairs[at] += more.pairs[at];
  if (more.lagCovariance.empty() || total.lagCovariance.empty()) {
    total.lagCovariance.clear();
    total.lagFreedom.clear();
  }
  for (std::size_t at = 0; at < total.lagCovariance.size(); ++at) total.lagCovariance[at] += more.lagCovariance[at];
  for (std::size_t q = 0; q < total.lagFreedom.size(); ++q) total.lagFreedom[q] += more.lagFreedom[q];
  for (const std::uint64_t frame : more.badFrames) total.badFrames.push_back(frames + frame);
  total.repeats += more.repeats;
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
