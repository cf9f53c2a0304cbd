// From file frames to the frames of the series: range, stride, average, darks, thresholds. Feeds one sink or several.
#pragma once
#include <span>

#include "xpcs/analysis.hpp"
#include "xpcs/frame_sink.hpp"

namespace xpcs {

/// Which file frames make which frame of the series: series frame i sums the file frames
/// first + i*stride*average + k*stride, k < average. @source docs/multitau.md, frame selection of XPCS-Eigen
struct FramePlan {
  std::uint64_t first;  ///< 0-based file frame
  std::uint64_t stride;
  std::uint64_t average;

  [[nodiscard]] std::uint64_t block() const noexcept { return stride * average; }
  [[nodiscard]] std::uint64_t series_frames(std::uint64_t fileFrames) const noexcept { return fileFrames / block(); }
  /// True and the series frame where the file frame counts.
  [[nodiscard]] bool map(std::uint64_t fileFrame, std::uint64_t& seriesFrame) const noexcept {
    if (fileFrame < first) return false;
    const std::uint64_t offset = fileFrame - first;
    if (offset % block() % stride != 0) return false;
    seriesFrame = offset / block();
    return true;
  }
};

/// Darks come first in the file and are not part of the series.
FramePlan plan_frames(const Settings& settings, const FrameReader& reader);

/// Reads the whole range into every sink and fixes their number of frames.
/// @param maps the settings of each q-map, which differ in nothing else; each gets its warnings and its static window
/// @returns one per q-map @throws corrupt_data, invalid_argument (range outside the file, empty)
std::vector<Measured> read_series(FrameReader& reader, std::span<Settings> maps, std::span<FrameSink* const> sinks, const Control& control);

}  // namespace xpcs
