// Other files that an HDF5 file refers to anywhere, whether or not they are read: for whoever must know what opening its objects could open. Reads
// no data and opens no other file.
#pragma once
#include <string>
#include <vector>

namespace xpcs {

/// Targets of external links, sources of virtual datasets, and files of external raw storage, each once, as absolute paths without . and .. : every
/// place where HDF5 would look and something is, and of a name that is nowhere the place that it means. Empty for what is no HDF5 file.
/// @throws corrupt_data the file's links cannot be walked, or there are more than a million
std::vector<std::string> hdf5_references(const std::string& path);

}  // namespace xpcs
