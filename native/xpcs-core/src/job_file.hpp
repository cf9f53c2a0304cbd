// Reading the two descriptions of an analysis: the legacy job file and the NeXus q-map.
#pragma once
#include "h5/h5.hpp"
#include "xpcs/analysis.hpp"

namespace xpcs {

/// Fills the settings from a legacy job file (group `entry`, usually /xpcs, and /measurement).
/// A setting that changes the result and is not supported is an error.
void read_job_file(const h5::File& job, const std::string& entry, const Request& request, Settings& settings);

/// Fills maps and detector size from the /qmap group of a pySimpleMask file.
void read_qmap_file(const h5::File& qmap, Settings& settings);

/// What a job file's analysis_type means; multi-tau where it is none of XPCS-Eigen's words.
AnalysisType analysis_type(const std::string& text);

/// int32 [rows, columns] of a 2-D dataset; `rows` and `columns` are set.
std::vector<std::int32_t> read_map(const h5::File& file, const std::string& dataset, std::uint32_t& rows, std::uint32_t& columns);

}  // namespace xpcs
