// Pixels of one map that gave no reading: their value was the detector's marker for that. They count as 0, and the result says so.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "xpcs/analysis.hpp"

namespace xpcs {

struct MarkedPixels {
  std::vector<bool> pixels;  ///< [n], or empty
  std::uint64_t readings = 0;

  /// @param pixel without a reading in a frame of the series
  void add(std::uint32_t pixel, const Settings& map) {
    if (map.dqmap[pixel] <= 0 || map.sqmap[pixel] <= 0) return;
    if (pixels.empty()) pixels.assign(map.dqmap.size(), false);
    pixels[pixel] = true;
    ++readings;
  }
  [[nodiscard]] std::optional<std::string> warning() const {
    if (readings == 0) return std::nullopt;
    return std::to_string(std::count(pixels.begin(), pixels.end(), true)) + " pixels of the map hold the detector's marker for no reading, " + std::to_string(readings) +
           " times in all; they count as 0 there: mask these pixels";
  }
};

}  // namespace xpcs
