// Events as the sparse detector formats have them: runs of one frame each over a column of pixels and one of 16-bit counts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace xpcs {

struct EventColumns {
  struct Run {
    std::uint32_t frame;
    std::uint32_t first, events;  ///< in the columns
  };
  std::vector<Run> runs;  ///< frames never go back
  std::vector<std::uint32_t> pixel;  ///< row-major on the detector
  std::vector<std::uint16_t> count;  ///< two's complement with signedCounts
  std::uint32_t pixelEnd = 0;        ///< no pixel is as large
  bool signedCounts = false;
};

}  // namespace xpcs
