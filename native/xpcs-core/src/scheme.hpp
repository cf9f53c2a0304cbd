// The delays as the kernels use them: by level, with the reach of a pair.
#pragma once
#include <cstdint>
#include <vector>

#include "xpcs/delays.hpp"

namespace xpcs {

struct Scheme {
  std::vector<Delay> delays;
  std::uint64_t frames = 0;
  std::uint32_t dpl = 0;
  std::uint32_t levels = 0;             ///< levels that hold a delay
  std::vector<std::uint64_t> levelEnd;  ///< frames covered by whole blocks of each level
  std::uint64_t reach = 0;              ///< photons further apart than this are never paired

  Scheme(std::uint64_t seriesFrames, std::uint32_t delaysPerLevel)
      : delays(multitau_delays(seriesFrames, delaysPerLevel)), frames(seriesFrames), dpl(delaysPerLevel) {
    levels = delays.empty() ? 0 : delays.back().level + 1;
    for (std::uint32_t level = 0; level < levels; ++level) levelEnd.push_back(frames >> level << level);
    if (levels > 0) reach = (std::uint64_t{2} * dpl + 1) << (levels - 1);
  }

  [[nodiscard]] std::size_t blocks(std::uint32_t level) const noexcept { return static_cast<std::size_t>(frames >> level); }
  [[nodiscard]] std::size_t lag_max() const noexcept { return std::size_t{2} * dpl; }

  /// Index of the first delay of a level, whether or not it exists.
  [[nodiscard]] std::size_t first_delay(std::uint32_t level) const noexcept { return level == 0 ? 0 : std::size_t{level + 1} * dpl; }
  [[nodiscard]] std::size_t delays_at(std::uint32_t level) const noexcept {
    const std::size_t full = level == 0 ? std::size_t{2} * dpl : dpl;
    const std::size_t first = first_delay(level);
    return first >= delays.size() ? 0 : (delays.size() - first < full ? delays.size() - first : full);
  }

  /// Index of lag k at a level, or delays.size() or more where the scheme has no such delay.
  [[nodiscard]] std::size_t index(std::uint32_t level, std::uint64_t k) const noexcept {
    return first_delay(level) + static_cast<std::size_t>(level == 0 ? k - 1 : k - dpl - 1);
  }
};

}  // namespace xpcs
