// Frames that do not count (--bad-frames): which they are, and what they do to the sums of a correlation.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "xpcs/analysis.hpp"

namespace xpcs {

struct FramePlan;

/// Ranges of file frames, 1-based and inclusive, sorted and merged.
class FrameList {
 public:
  FrameList() = default;
  /// "1,5-9". @throws invalid_argument
  static FrameList parse(const std::string& text);

  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  /// First frame in the list; it must not be empty.
  [[nodiscard]] std::uint64_t first() const noexcept { return ranges_.front().first; }
  /// The frames of the series that a file frame of the list is part of.
  [[nodiscard]] FrameRanges of_series(const FramePlan& plan) const;

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;
};

/// Those of the ranges in [from, to), counted from `from`.
FrameRanges frames_within(const FrameRanges& ranges, std::uint64_t from, std::uint64_t to);
/// How many frames the ranges hold.
std::uint64_t frames_of(const FrameRanges& ranges);
bool contains_frame(const FrameRanges& ranges, std::uint64_t frame);

/// Makes means over all frames, where the bad ones gave nothing, means over the good ones: of pairs of good frames for G2,
/// of good frames in their ranges for IP and IF. g2 then has no bias on a stationary series, wherever the bad frames lie.
/// @param bad frames of the series, none beyond its end @throws invalid_argument no good frame is left
/// @source docs/multitau.md, bad frames
void correct_for_bad_frames(const FrameRanges& bad, std::uint32_t staticWindow, CorrelationResult& result);

}  // namespace xpcs
