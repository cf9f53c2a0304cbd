#include "xpcs/averaging.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

namespace xpcs {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Variance of the sum of products - g2 * expected over a bin's pixels, which are its independent draws; NaN for one pixel.
double variance_of_sum(const BinTerm& bin, double g2) {
  if (bin.pixels < 2) return kNaN;
  const double square = bin.a - 2 * g2 * bin.b + g2 * g2 * bin.c;
  return (square < 0 ? 0 : square) * bin.pixels / (bin.pixels - 1);
}

Estimate plain_mean(std::span<const BinTerm> bins) {
  double sum = 0;
  double sum2 = 0;
  double variance = 0;
  double n = 0;
  for (const BinTerm& bin : bins) {
    const double g2 = bin.products / bin.expected;
    if (std::isnan(g2)) continue;
    sum += g2;
    sum2 += g2 * g2;
    variance += variance_of_sum(bin, g2) / (bin.expected * bin.expected);
    n += 1;
  }
  if (n == 0) return {kNaN, kNaN};
  const double mean = sum / n;
  if (!std::isnan(variance)) return {mean, std::sqrt(variance) / n};
  return {mean, n < 2 ? kNaN : std::sqrt(std::max(sum2 / n - mean * mean, 0.0) / (n - 1))};
}

Estimate weighted_mean(std::span<const BinTerm> bins) {
  double products = 0;
  double expected = 0;
  for (const BinTerm& bin : bins) {
    products += bin.products;
    expected += bin.expected;
  }
  const double g2 = products / expected;
  double variance = 0;
  double spread = 0;  // of the bins as units
  for (const BinTerm& bin : bins) {
    variance += variance_of_sum(bin, g2);
    const double residual = bin.products - g2 * bin.expected;
    spread += residual * residual;
  }
  if (!std::isnan(variance)) return {g2, std::sqrt(variance) / expected};
  const auto n = static_cast<double>(bins.size());
  return {g2, n < 2 ? kNaN : std::sqrt(spread * n / (n - 1)) / expected};
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

constexpr double kHuber = 1.345;       // 95 % efficiency for a normal distribution
constexpr double kManyPairs = 50;      // from here on the normal distribution with its first correction stands in for Poisson's
constexpr std::size_t kBinsMin = 3;    // fewer cannot outvote one
constexpr int kHalvings = 48;

double bounded(double r) { return std::clamp(r, -kHuber, kHuber); }

/// Means over Poisson counts k of mean m, with r = (k - m)/sqrt(m): of bounded(r), of its square, and of bounded(r) r.
struct Bounded {
  double mean, square, slope;
};

Bounded bounded_moments(double m) {
  // Integrals of the standard normal density up to kHuber; a skewness of 1/sqrt(m) moves the mean by -kHuber phi(kHuber)/3 of it.
  if (m >= kManyPairs) return {-0.07239128868797885 / std::sqrt(m), 0.7101645482690486, 0.8213747654313257};
  const double root = std::sqrt(m);
  double total = 0;
  Bounded sums{0, 0, 0};
  const auto add = [&](double k, double probability) {
    const double r = (k - m) / root;
    const double psi = bounded(r);
    total += probability;
    sums.mean += probability * psi;
    sums.square += probability * psi * psi;
    sums.slope += probability * psi * r;
  };
  // Outwards from the mode, relative to it: no exponential, whose last bit differs between processors.
  const double mode = std::floor(m);
  double probability = 1;
  for (double k = mode; probability > 1e-18; k += 1) {
    add(k, probability);
    probability *= m / (k + 1);
  }
  probability = 1;
  for (double k = mode; k >= 1; k -= 1) {
    probability *= k / m;
    add(k - 1, probability);
  }
  return {sums.mean / total, sums.square / total, sums.slope / total};
}

/// The bins with their weights, and the scatter of their pairs in units of counting.
class RobustMean {
 public:
  explicit RobustMean(std::span<const BinTerm> bins) : bins_(bins) {
    std::vector<double> brightness;
    for (const BinTerm& bin : bins) brightness.push_back(bin.expected / bin.pixels);
    const double typical = median(brightness);
    for (const BinTerm& bin : bins) weight_.push_back(std::sqrt(std::min(bin.expected, typical * bin.pixels)));
  }

  Estimate estimate() {
    const Estimate counting = solve();
    if (!(counting.g2 > 0)) return counting;
    set_dispersion(counting.g2);
    return solve();
  }

  /// Of each bin, at the estimate.
  std::vector<BinShare> shares() {
    const double g2 = estimate().g2;
    std::vector<BinShare> out;
    for (std::size_t i = 0; i < bins_.size(); ++i) {
      const double m = g2 * bins_[i].expected / dispersion_;
      const double r = (bins_[i].products / dispersion_ - m) / std::sqrt(m);
      out.push_back({g2, std::abs(r) <= kHuber ? weight_[i] / std::sqrt(bins_[i].expected) : 0.0});
    }
    return out;
  }

 private:
  void set_dispersion(double g2) {
    std::vector<double> ratios;
    for (const BinTerm& bin : bins_) {
      const double variance = variance_of_sum(bin, g2);
      if (!std::isnan(variance)) ratios.push_back(variance / (g2 * bin.expected));
    }
    if (!ratios.empty()) {
      dispersion_ = std::max(1.0, median(std::move(ratios)));
      return;
    }
    // Bins of one pixel: from the spread of the bins themselves, median absolute deviation times 1.4826.
    std::vector<double> deviations;
    for (const BinTerm& bin : bins_) deviations.push_back(std::abs(bin.products - g2 * bin.expected) / std::sqrt(g2 * bin.expected));
    const double scale = 1.4826 * median(std::move(deviations));
    dispersion_ = std::max(1.0, scale * scale);
  }

  /// What is 0 at the estimate; it falls with g2.
  [[nodiscard]] double score(double g2) const {
    double sum = 0;
    for (std::size_t i = 0; i < bins_.size(); ++i) {
      const double m = g2 * bins_[i].expected / dispersion_;
      const double r = (bins_[i].products / dispersion_ - m) / std::sqrt(m);
      sum += weight_[i] * (bounded(r) - bounded_moments(m).mean);
    }
    return sum;
  }

  [[nodiscard]] Estimate solve() const {
    double low = 0;
    double high = 0;
    for (const BinTerm& bin : bins_) high = std::max(high, 2 * bin.products / bin.expected);
    if (high == 0) return {0, kNaN};
    for (int i = 0; i < kHalvings && score(high) > 0; ++i) high *= 2;
    for (int i = 0; i < kHalvings; ++i) {
      const double middle = (low + high) / 2;
      (score(middle) > 0 ? low : high) = middle;
    }
    const double g2 = (low + high) / 2;
    double variance = 0;
    double slope = 0;
    for (std::size_t i = 0; i < bins_.size(); ++i) {
      const double m = g2 * bins_[i].expected / dispersion_;
      const Bounded moments = bounded_moments(m);
      variance += weight_[i] * weight_[i] * (moments.square - moments.mean * moments.mean);
      slope += weight_[i] * moments.slope * std::sqrt(bins_[i].expected / (g2 * dispersion_));
    }
    return {g2, std::sqrt(variance) / slope};
  }

  std::span<const BinTerm> bins_;
  std::vector<double> weight_;
  double dispersion_ = 1;
};

}  // namespace

const char* averaging_name(Averaging averaging) noexcept {
  switch (averaging) {
    case Averaging::plain: return "plain";
    case Averaging::weighted: return "weighted";
    case Averaging::robust: return "robust";
  }
  return "?";
}

const char* averaging_text(Averaging averaging) noexcept {
  switch (averaging) {
    case Averaging::plain: return "the unweighted mean of the static partitions that have a value";
    case Averaging::weighted: return "sum of G2 over sum of IP x IF of the static partitions, each with its pixels (weights: expected photon pairs)";
    case Averaging::robust: return "Huber's quasi-likelihood estimate over the static partitions (1.345, Poisson pairs with measured dispersion)";
  }
  return "?";
}

namespace {

bool is_usable(const BinTerm& bin) { return bin.expected > 0 && std::isfinite(bin.expected); }

std::vector<BinTerm> usable_of(std::span<const BinTerm> bins) {
  std::vector<BinTerm> usable;
  std::copy_if(bins.begin(), bins.end(), std::back_inserter(usable), is_usable);
  return usable;
}

}  // namespace

std::vector<BinShare> bin_shares(std::span<const BinTerm> bins, Averaging averaging) {
  std::vector<BinShare> shares(bins.size());
  if (averaging == Averaging::plain) {
    for (std::size_t i = 0; i < bins.size(); ++i) shares[i] = {bins[i].products / bins[i].expected, 1 / bins[i].expected};
    return shares;
  }
  const std::vector<BinTerm> usable = usable_of(bins);
  if (usable.empty()) return shares;
  const bool weighted = averaging == Averaging::weighted || usable.size() < kBinsMin;
  const std::vector<BinShare> own = weighted ? std::vector<BinShare>(usable.size(), {weighted_mean(usable).g2, 1}) : RobustMean(usable).shares();
  for (std::size_t i = 0, at = 0; i < bins.size(); ++i) {
    if (is_usable(bins[i])) shares[i] = own[at++];
  }
  return shares;
}

Estimate average_bins(std::span<const BinTerm> bins, Averaging averaging) {
  if (averaging == Averaging::plain) return plain_mean(bins);
  const std::vector<BinTerm> usable = usable_of(bins);
  if (usable.empty()) return {kNaN, kNaN};
  if (averaging == Averaging::weighted || usable.size() < kBinsMin) return weighted_mean(usable);
  return RobustMean(usable).estimate();
}

}  // namespace xpcs
