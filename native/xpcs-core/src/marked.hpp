// Pixels that gave no reading: how often, and which of a map.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "xpcs/analysis.hpp"

namespace xpcs {

/// Pixels of one map that gave no reading in a frame of the series.
struct Marked {
  std::vector<bool> pixels;  ///< [n], or empty
  std::uint64_t readings = 0;

  void add(std::uint32_t pixel, const Settings& map) {
    if (map.dqmap[pixel] <= 0 || map.sqmap[pixel] <= 0) return;
    if (pixels.empty()) pixels.assign(map.dqmap.size(), false);
    pixels[pixel] = true;
    ++readings;
  }

  /// For the result, where there are any.
  [[nodiscard]] std::string warning() const {
    return std::to_string(std::count(pixels.begin(), pixels.end(), true)) + " pixels of the map hold the detector's marker for no reading, " + std::to_string(readings) +
           " times in all; they count as 0 there: mask these pixels";
  }
};

}  // namespace xpcs
