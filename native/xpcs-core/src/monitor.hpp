// A monitor: one number per frame of the file by which the frames are normalised (--monitor).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace xpcs {

/// Reads a monitor: a text file of numbers (white space between them, # begins a comment), or FILE:/dataset in HDF5.
/// @throws not_found, invalid_argument, corrupt_data with the line
std::vector<double> read_monitor(const std::string& name);

}  // namespace xpcs
