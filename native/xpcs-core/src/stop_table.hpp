// Where on the frame axis the running totals of the pixels are written down: IP and IF of every delay are differences of them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "scheme.hpp"

namespace xpcs {

struct StopTable {
  std::vector<std::uint64_t> frame;                        ///< ascending; a stop's totals are those of the frames before it
  std::vector<std::uint32_t> past, futureFrom, futureEnd;  ///< [D] stops: IP is total[past], IF is total[futureEnd] - total[futureFrom]

  explicit StopTable(const Scheme& scheme) {
    for (const Delay& delay : scheme.delays) {
      for (const std::uint64_t at : {delay.pastEnd, delay.frames, delay.futureEnd}) frame.push_back(at);
    }
    std::sort(frame.begin(), frame.end());
    frame.erase(std::unique(frame.begin(), frame.end()), frame.end());
    const auto stop_at = [&](std::uint64_t at) { return static_cast<std::uint32_t>(std::lower_bound(frame.begin(), frame.end(), at) - frame.begin()); };
    for (const Delay& delay : scheme.delays) {
      past.push_back(stop_at(delay.pastEnd));
      futureFrom.push_back(stop_at(delay.frames));
      futureEnd.push_back(stop_at(delay.futureEnd));
    }
  }
};

}  // namespace xpcs
