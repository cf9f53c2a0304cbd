// From the static bins of one dynamic bin at one delay to its g2 and standard error: the plain mean, and two that are asked
// for by name. Knows nothing of series, lags or files.
#pragma once
#include <span>
#include <vector>

namespace xpcs {

enum class Averaging {
  plain,     ///< unweighted mean of the static bins' g2
  weighted,  ///< sum of products over sum of expected products
  robust,    ///< the weighted one under Huber's bounded influence of a bin
};
const char* averaging_name(Averaging averaging) noexcept;
/// What it does with the static partitions, for a result's record.
const char* averaging_text(Averaging averaging) noexcept;

/// One static bin at one delay.
struct BinTerm {
  double pixels = 0;
  double products = 0;  ///< sum of the products of counts
  double expected = 0;  ///< what uncorrelated counts would give: g2 = products / expected
  /// Centred second moments over the pixels: of products (a), of products and expected products (b), of expected products (c).
  double a = 0, b = 0, c = 0;
};

struct Estimate {
  double g2, error;  ///< NaN where there is none
};

/// plain: mean over the bins that have a value; variance sum of the bins' over n^2, each that of a ratio of means over pixels
/// (Cochran, Sampling Techniques, 3rd ed., 6.19); where a bin has one pixel, the spread of the bins takes its place.
/// weighted: the combined ratio estimate (Cochran, section 6.11): every bin with the weight of its expected products, which is the
/// inverse variance where photon counting limits it, and does not depend on the pairs found.
/// robust: Huber's quasi-likelihood estimate for pair counts that scatter as phi times Poisson ones, with the correction that
/// makes it unbiased at few pairs (Cantoni and Ronchetti 2001, J. Am. Stat. Assoc. 96, 1022, tuning constant 1.345), and its
/// model-based error. phi: median over the bins of their pixels' variance over that of counting, at least 1. A bin that is
/// brighter per pixel than the median bin has no more weight for that. Below 3 bins: weighted.
Estimate average_bins(std::span<const BinTerm> bins, Averaging averaging);

/// How one bin's scatter moves the estimate: that of its sum of products - about * expected, times `share`.
struct BinShare {
  double about = 0, share = 0;
};

/// Of every bin, to first order and up to a factor that they have in common; share 0 for a bin that does not count. robust: 0 too for a bin
/// whose influence is bounded, as more of it would change nothing.
std::vector<BinShare> bin_shares(std::span<const BinTerm> bins, Averaging averaging);

}  // namespace xpcs
