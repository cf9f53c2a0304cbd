#include "xpcs/delays.hpp"

#include <cmath>

namespace xpcs {

std::vector<Delay> multitau_delays(std::uint64_t frames, std::uint32_t dpl) {
  std::vector<Delay> delays;
  if (dpl == 0) return delays;
  int maxLevel = 0;
  if (frames >= std::uint64_t{2} * dpl) {
    const double d = dpl;
    maxLevel = static_cast<int>(std::trunc(std::floor(std::log2(static_cast<double>(frames)) - std::log2(1.0 + 1.0 / d)) - std::log2(d)));
  }
  std::uint64_t t = 0;
  for (int level = 0; level <= maxLevel; ++level) {
    const std::uint64_t step = std::uint64_t{1} << level;
    const std::uint64_t blocks = frames >> level;
    for (std::uint32_t k = 0; k < (level == 0 ? 2 * dpl : dpl); ++k) {
      if (t + 2 * step > frames) break;
      t += step;
      const std::uint64_t lag = t >> level;
      delays.push_back({static_cast<std::uint32_t>(level), t, lag, blocks - lag, (blocks - lag) << level, blocks << level});
    }
  }
  return delays;
}

}  // namespace xpcs
