// All files that hold the frames of one analysis.
#include "formats/hdf5_files.hpp"
#include "xpcs/analysis.hpp"

namespace xpcs {

std::vector<std::string> input_files(const Settings& settings) {
  if (settings.format == Format::hdf5) return hdf5_files(settings.input);
  return settings.modules.empty() ? std::vector<std::string>{settings.input} : settings.modules;
}

}  // namespace xpcs
