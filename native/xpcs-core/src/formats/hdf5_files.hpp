// The files that the frames of an HDF5 file come from, for whoever has to move them. Reads no frame.
#pragma once
#include <string>
#include <vector>

namespace xpcs {

/// The master and every data file behind it: targets of external links, sources of virtual datasets and theirs in turn.
/// Each once, the master first. @throws not_found a file is missing, and what find_hdf5_parts throws
std::vector<std::string> hdf5_files(const std::string& master);

}  // namespace xpcs
