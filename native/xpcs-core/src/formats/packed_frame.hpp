// One whole frame as detectors send it in a message: plain words, or packed as the chunks of HDF5 files are.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "../h5/filters.hpp"
#include "xpcs/frame_reader.hpp"
#include "xpcs/live_series.hpp"

namespace xpcs {

/// Appends the events of a frame of `pixels` words; its largest value marks a pixel without a reading.
/// @return empty when it is good, otherwise what is wrong with it: then nothing is appended
std::string append_frame(const PackedFrame& packed, std::uint32_t pixels, std::uint32_t frame, std::vector<std::uint8_t>& words, h5::FilterScratch& scratch, FrameBatch& out);

}  // namespace xpcs
