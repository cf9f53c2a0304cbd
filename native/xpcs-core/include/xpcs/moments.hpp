// What a correlation keeps per static partition and delay: enough for g2, for its error, and for merging repeats.
#pragma once
#include <cstdint>
#include <vector>

#include "xpcs/averaging.hpp"
#include "xpcs/partition.hpp"

namespace xpcs {

__extension__ using Int128 = __int128;

/// Sums over the pixels of one static bin at one delay of the second moments of the pixels' curves: G products, P past and F
/// future counts, not divided by the number of terms.
struct SpreadSums {
  double gg = 0, gp = 0, gf = 0, pp = 0, pf = 0, ff = 0;
};

/// Number of a sum: exact where counts are integers. Adding exact numbers gives the same bits in any order and grouping.
struct Number {
  Int128 whole = 0;
  double real = 0;

  [[nodiscard]] double value(bool exact) const { return exact ? static_cast<double>(whole) : real; }
  void add(const Number& other) {
    whole += other.whole;
    real += other.real;
  }
};

/// One static bin at one delay, over one series or several repeats.
/// g2 = n N sum(products) / sum(past * future), the product taken per repeat (n pixels, N terms).
struct Moment {
  Number products, past, future, pastFuture;
  /// Centred second moments over the pixels, summed over repeats: of the products (a), of products and expected products (b),
  /// of expected products (c), where a pixel's expected products are (P F_bin + P_bin F) / (n N).
  double a = 0, b = 0, c = 0;

  void add(const Moment& other);
};

/// The moments of a correlation. Rows: static bins; columns: delays.
struct Moments {
  bool exact = true;
  std::uint32_t staticBins = 0, dynamicBins = 0;
  std::vector<std::uint32_t> dynamicOfStatic;  ///< [S] 0-based; Partition::kMasked for a gap
  std::vector<std::uint32_t> pixels;           ///< [S] correlated pixels
  std::vector<std::uint64_t> terms;            ///< [D]
  std::vector<std::uint64_t> delayFrames;      ///< [D]
  std::uint64_t repeats = 1;
  std::vector<Moment> moment;  ///< [S, D]
  std::vector<double> pairs;   ///< [D, Q] sum of the products of counts
  /// Exact `pastFuture` is in units of 2^-pastFutureBits: 0, or kBadFrameBits where bad frames scaled it.
  std::uint32_t pastFutureBits = 0;
  /// Shares of pairs, past and future frames that count, [D] each, summed over repeats; empty where every frame counts.
  /// Integers in units of 2^-kShareBits, so that repeats add up to the same bits in any order.
  std::vector<std::int64_t> goodPairs, goodPast, goodFuture;
  std::vector<std::uint64_t> badFrames;  ///< of the series, from 0; those of repeats counted on
  /// Covariance between lags of the pairs of each dynamic bin [Q, D, D] in the average of its result, symmetric, in pairs squared, summed over repeats; and the
  /// degrees of freedom behind it [Q]. Empty: not known (results of earlier versions).
  std::vector<double> lagCovariance;
  std::vector<std::uint64_t> lagFreedom;

  [[nodiscard]] const Moment& at(std::size_t s, std::size_t d) const { return moment[s * terms.size() + d]; }
};

constexpr std::uint32_t kBadFrameBits = 20;
constexpr std::uint32_t kShareBits = 40;

/// Takes bad frames, which gave nothing to the sums of one series, into account at one delay: what is expected of
/// uncorrelated counts is reduced to the pairs that count.
/// @param pairs, past, future shares of the terms that good frames gave
/// @throws invalid_argument the sums would overflow
void set_good_shares(Moments& moments, std::size_t d, double pairs, double past, double future);

/// Adds the moments of more repeats of the same partitions and delays. The frames of `other` are counted on after `frames`.
void add_repeats(Moments& total, const Moments& other, std::uint64_t frames);

/// Sets the centred second moments of one series.
void set_influence(Moment& moment, double pixels, double terms, bool exact, const SpreadSums& spread);

enum class Pooling {
  per_repeat,  ///< sum of G2 over sum of IP x IF, the product per repeat: right where the intensity varies between repeats
  pooled,      ///< sum of G2 over (sum of IP) x (sum of IF) / repeats
};

/// g2 and its standard error [D, Q] of a dynamic bin, from its static bins (averaging.hpp), repeats and static bins being
/// independent. No error below kPairsForError pairs.
struct MomentCurves {
  std::vector<double> g2, g2Err;
};
MomentCurves curves_of(const Moments& moments, Pooling pooling, Averaging averaging = Averaging::plain);

/// Correlation between the errors of g2 at two lags.
struct LagCorrelation {
  std::vector<float> correlation;  ///< [Q, D, D] 1 on the diagonal; 0 beside a lag without scatter
  std::vector<double> scale;       ///< [Q, D] standard deviation of the pairs: covariance = correlation x scale x scale
};
LagCorrelation lag_correlation(const Moments& moments);
/// The covariance again [Q, D, D]. Each argument as above.
std::vector<double> lag_covariance(const LagCorrelation& from);

/// Photon pairs that a lag needs for its error to be stated.
constexpr double kPairsForError = 20;

}  // namespace xpcs
