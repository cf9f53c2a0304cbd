// What a correlation keeps per static partition and delay: enough for g2, for its error, and for merging repeats.
#pragma once
#include <cstdint>
#include <vector>

namespace xpcs {

__extension__ using Int128 = __int128;

/// Sums over the pixels of one static bin at one delay. With G, P, F a pixel's sums of products, past and future counts
/// (not yet divided by the number of terms): the second moments give the spread of any ratio of the first.
struct SpreadSums {
  double gg = 0, gp = 0, gf = 0, pp = 0, pf = 0, ff = 0;
};

/// g2 of one static bin and the variance of that ratio over its pixels, by linearisation: with u = G/<G>, v = P/<P>,
/// w = F/<F> the influence of a pixel is g2 (u - v - w + 1); its mean square over pixels, over (n - 1), is the variance.
/// @param n pixels; terms N of the delay; g, p, f sums over the pixels
/// @source delta method for a ratio of means (Cochran, Sampling Techniques, 3rd ed., 6.19), for <G>/(<P><F>)
struct BinRatio {
  double g2 = 0;
  double variance = 0;
};
BinRatio bin_ratio(double n, double terms, double g, double p, double f, const SpreadSums& spread);

}  // namespace xpcs
