// Frames that do not count (--bad-frames): which they are, and what they do to the sums of a correlation.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "xpcs/correlator.hpp"

namespace xpcs {

/// Ranges of file frames, 1-based and inclusive, sorted and merged.
class FrameList {
 public:
  FrameList() = default;
  /// "1,5-9". @throws invalid_argument
  static FrameList parse(const std::string& text);

  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] bool contains(std::uint64_t frame) const noexcept;
  /// First frame in the list; it must not be empty.
  [[nodiscard]] std::uint64_t first() const noexcept { return ranges_.front().first; }

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;
};

/// Makes means over all frames, where the bad ones gave nothing, means over the good ones: of pairs of good frames for G2,
/// of good frames in their ranges for IP and IF. g2 then has no bias on a stationary series, wherever the bad frames lie.
/// @param bad [frames] of the series, 1 where a frame does not count
/// @source docs/multitau.md, bad frames
void correct_for_bad_frames(const std::vector<std::uint8_t>& bad, std::uint32_t staticWindow, CorrelationResult& result);

}  // namespace xpcs
