// A running measurement on a detector of 4 x 5 pixels, for the targets of what comes into one.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "../bench/h5_file.hpp"
#include "hdf5_file.hpp"
#include "xpcs/live_series.hpp"

namespace xpcs::fuzzing {

inline constexpr std::uint32_t kRows = 4, kColumns = 5;

/// Two bins, dynamic and static, and masked pixels.
inline const std::string& live_qmap() {
  static const MemoryFile file;
  static const bool isWritten = [] {
    bench::H5File map(file.path());
    std::vector<std::int32_t> bins(kRows * kColumns);
    for (std::size_t p = 0; p < bins.size(); ++p) bins[p] = static_cast<std::int32_t>(p % 3);
    const std::vector<std::int32_t> mask(bins.size(), 1);
    const std::vector<hsize_t> shape{kRows, kColumns};
    map.array<std::int32_t>("/qmap/mask", H5T_NATIVE_INT32, shape, mask);
    const std::int32_t index[2] = {0, 1};
    const std::int64_t points[2] = {2, 1};
    const double q[2] = {0.01, 0.02}, phi[1] = {0};
    for (const std::string name : {"/qmap/dynamic", "/qmap/static"}) {
      map.array<std::int32_t>(name + "_roi_map", H5T_NATIVE_INT32, shape, bins);
      map.array<std::int32_t>(name + "_index_mapping", H5T_NATIVE_INT32, {2}, index);
      map.array<std::int64_t>(name + "_num_pts", H5T_NATIVE_INT64, {2}, points);
      map.array<double>(name + "_v_list_dim0", H5T_NATIVE_DOUBLE, {2}, q);
      map.array<double>(name + "_v_list_dim1", H5T_NATIVE_DOUBLE, {1}, phi);
    }
    for (const char* name : {"beam_center_x", "beam_center_y", "pixel_size", "detector_distance", "energy"}) map.float64(std::string("/qmap/") + name, 1);
    map.texts("/qmap/map_names", {"q", "phi"});
    map.texts("/qmap/map_units", {"1/A", "deg"});
    return true;
  }();
  static_cast<void>(isWritten);
  return file.path();
}

inline LiveSeries live_series() {
  Request request;
  request.input = "a source";
  request.qmap = live_qmap();
  request.out = "never written";
  request.frameTimeS = 1e-3;
  request.memoryGb = 0.25;
  request.threads = 1;
  try {
    return {request, LiveShape{}};
  } catch (const Error& error) {
    std::fprintf(stderr, "the measurement does not begin: %s\n", error.what());  // a target without one would find nothing
    std::abort();
  }
}

/// What any measurement has to hold, whatever came into it.
inline void check_series(const LiveSeries& series) {
  std::uint64_t missing = 0, before = 0;
  for (const auto& [from, to] : series.gaps()) {
    if (from < before || to <= from || to > series.frames()) std::abort();
    missing += to - from;
    before = to;
  }
  if (missing != series.missing()) std::abort();
  if (series.frames() == missing) return;
  const CorrelationResult result = series.result();
  if (result.frames != series.frames() - missing) std::abort();
}

}  // namespace xpcs::fuzzing
