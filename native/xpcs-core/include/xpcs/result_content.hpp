// What of a result file depends on the data and the settings alone, and not on when, where and by which attempt it was written.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace xpcs {

/// Gives the numbers of an HDF5 file piece by piece: of each dataset of integers or floats, but for groups named `provenance`, a line of text with its path,
/// type and extents, then its values as they are in memory, row by row. Datasets come in the order of their names, so equal numbers give equal bytes.
/// @throws not_found, corrupt_data, unsupported (a type of other bytes than this machine's numbers), out_of_memory
void read_result_content(const std::string& path, const std::function<void(std::span<const std::uint8_t>)>& take);

}  // namespace xpcs
