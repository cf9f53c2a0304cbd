// Between the covariance that repeats add up and the correlation that a result file holds.
#include <cmath>

#include "xpcs/moments.hpp"

namespace xpcs {

LagCorrelation lag_correlation(const Moments& moments) {
  LagCorrelation out;
  if (moments.lagCovariance.empty()) return out;
  const std::size_t D = moments.terms.size();
  out.correlation.resize(moments.lagCovariance.size());
  out.scale.resize(moments.dynamicBins * D);
  for (std::size_t q = 0; q < moments.dynamicBins; ++q) {
    const double* covariance = moments.lagCovariance.data() + q * D * D;
    float* correlation = out.correlation.data() + q * D * D;
    double* scale = out.scale.data() + q * D;
    for (std::size_t d = 0; d < D; ++d) scale[d] = std::sqrt(covariance[d * D + d]);
    for (std::size_t i = 0; i < D; ++i) {
      for (std::size_t j = 0; j < D; ++j) {
        const double value = scale[i] > 0 && scale[j] > 0 ? covariance[i * D + j] / scale[i] / scale[j] : 0;
        correlation[i * D + j] = i == j ? 1.0F : static_cast<float>(value);
      }
    }
  }
  return out;
}

std::vector<double> lag_covariance(const LagCorrelation& from) {
  std::vector<double> out(from.correlation.size());
  const std::size_t D = from.scale.empty() ? 0 : from.correlation.size() / from.scale.size();
  for (std::size_t at = 0; at < out.size(); ++at) {
    const double* scale = from.scale.data() + at / (D * D) * D;
    out[at] = static_cast<double>(from.correlation[at]) * scale[at / D % D] * scale[at % D];
  }
  return out;
}

}  // namespace xpcs
