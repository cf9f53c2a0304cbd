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

}  // namespace xpcs
