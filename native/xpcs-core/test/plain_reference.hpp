// Multi-tau by its formulas alone: dense frames, doubles, no cleverness. Independent of the library's kernels; only the
// partition's labels are shared.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "xpcs/delays.hpp"

namespace plain {

struct PixelCurve {
  std::vector<double> g2, past, future;  // per delay: G2, IP, IF
};

/// One pixel's series to its curve.
inline PixelCurve pixel_curve(std::vector<double> series, const std::vector<xpcs::Delay>& delays) {
  PixelCurve curve;
  std::uint32_t level = 0;
  for (const xpcs::Delay& delay : delays) {
    while (level < delay.level) {
      std::vector<double> half(series.size() / 2);
      for (std::size_t i = 0; i < half.size(); ++i) half[i] = (series[2 * i] + series[2 * i + 1]) / 2;
      series = half;
      ++level;
    }
    const std::size_t lag = delay.frames >> level;
    const std::size_t n = series.size() - lag;
    double g2 = 0;
    double past = 0;
    double future = 0;
    for (std::size_t i = 0; i < n; ++i) {
      g2 += series[i] * series[i + lag];
      past += series[i];
      future += series[i + lag];
    }
    curve.g2.push_back(g2 / static_cast<double>(n));
    curve.past.push_back(past / static_cast<double>(n));
    curve.future.push_back(future / static_cast<double>(n));
  }
  return curve;
}

}  // namespace plain
