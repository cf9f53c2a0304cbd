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

  [[nodiscard]] const Moment& at(std::size_t s, std::size_t d) const { return moment[s * terms.size() + d]; }
};

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

/// Photon pairs that a lag needs for its error to be stated.
constexpr double kPairsForError = 20;

}  // namespace xpcs
