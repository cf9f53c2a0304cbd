// A monitor: one number per frame of the file by which the frames are normalised (--monitor).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "bad_frames.hpp"
#include "intake.hpp"

namespace xpcs {

/// Reads a monitor: a text file of numbers (white space between them, # begins a comment), or FILE:/dataset in HDF5.
/// @throws not_found, invalid_argument, corrupt_data with the line
std::vector<double> read_monitor(const std::string& name);

/// @throws invalid_argument a frame of the series that is not bad has no value above 0
void check_monitor(const std::vector<double>& monitor, const FramePlan& plan, const FrameRanges& bad, std::uint64_t frames);

/// What it gives for the first frames of the series, as sums over their file frames; 0 for bad frames.
/// @param monitor of every file frame, as far as these need it
std::vector<double> monitor_of_series(const std::vector<double>& monitor, const FramePlan& plan, const FrameRanges& bad, std::uint64_t frames);

}  // namespace xpcs
