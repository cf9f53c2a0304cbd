// Where the frames of an HDF5 detector file lie: one dataset, the data files of an Eiger master, or the sources of a
// virtual dataset. Reads no frame.
#pragma once
#include <string>
#include <vector>

#include "../h5/h5.hpp"

namespace xpcs {

/// A run of frames of one dataset.
struct Hdf5Part {
  std::string file;     ///< file to open
  std::string dataset;  ///< path inside it, through links
  std::uint64_t sourceFirst = 0;
  std::uint64_t frames = 0;  ///< 0: all of the dataset
};

/// The parts in frame order. A virtual dataset whose sources are whole runs of frames becomes these runs; one that is
/// put together in another way stays one part, which HDF5 assembles.
/// @throws unsupported (no frames where they are expected), not_found (a linked file is missing), corrupt_data
std::vector<Hdf5Part> find_hdf5_parts(const h5::File& master);

/// File and dataset of the i-th source of a virtual dataset, as they are spelled; empty where they cannot be read.
std::pair<std::string, std::string> hdf5_virtual_source(const h5::Handle& creation, std::size_t i);

/// A source is looked for as HDF5 does: under its own name, then beside the file that names it. @throws not_found
std::string hdf5_source_path(const std::string& name, const std::string& master);

}  // namespace xpcs
