// Partial g2: the series cut into consecutive windows of equal length, each correlated as a series of its own. The frames come in
// a pass of their own, when their number is known; at most two windows are kept at a time.
#pragma once
#include "intake.hpp"

namespace xpcs {

/// Frames of one window. @throws invalid_argument a window would have fewer than 2 frames
std::uint64_t partial_window_frames(std::uint64_t frames, std::uint32_t windows);

/// Reads the range again and correlates its windows. The frames behind the last whole window are left out.
/// @param settings with their averaging and convention of errors; measured, frames: what the first pass found
/// @return curves [windows, delays of the series, dynamic bins]; NaN at delays that the window is too short for
/// @throws invalid_argument (see above) · unsupported events that come late by more than a window · canceled
PartialG2 correlate_partials(FrameReader& reader, const Settings& settings, const Partition& partition, const CorrelatorOptions& options,
                             const Measured& measured, std::uint64_t frames, const Control& control);

}  // namespace xpcs
