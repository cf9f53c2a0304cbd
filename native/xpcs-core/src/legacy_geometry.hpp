// The geometry of a legacy job file in the terms of the NeXus layout.
#pragma once
#include "h5/h5.hpp"
#include "xpcs/analysis.hpp"

namespace xpcs {

struct LegacyTimes {
  std::optional<double> energyKeV, frameTimeS, countTimeS;
  std::optional<std::string> startTime;
};

LegacyTimes legacy_times(const h5::File& job);

/// Names of the datasets that /xpcs/qmap would need and the job file lacks.
std::vector<std::string> missing_legacy_geometry(const h5::File& job, const std::string& entry, const Settings& settings);

/// Writes /xpcs/qmap from the job file's lists and distances (mm become m).
void write_legacy_qmap(h5::File& file, const h5::File& job, const std::string& entry, const Settings& settings);

/// The viewer refuses files whose index mappings do not count the labels. @throws invalid_argument
void check_index_mappings(std::size_t dynamicMapped, std::size_t staticMapped, const Settings& settings, const std::string& file);

}  // namespace xpcs
