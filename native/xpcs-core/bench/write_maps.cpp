// The partition maps of the measurements, as a legacy job file and as a NeXus q-map.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "h5_file.hpp"
#include "write_files.hpp"

namespace xpcs::bench {
namespace {

constexpr std::int32_t kDynamic = 20;
constexpr std::int32_t kStaticEach = 5;
constexpr std::int32_t kStatic = kDynamic * kStaticEach;
/// The q bins of a two-time analysis: four of the twenty, evenly spread.
constexpr std::int64_t kTwotimeBins[4] = {4, 8, 12, 16};

struct Maps {
  std::vector<std::int32_t> dynamic;
  std::vector<std::int32_t> statics;
};

/// Ring of each pixel, row-major, labels from 1; no pixel is masked.
Maps rings(std::uint32_t rows, std::uint32_t columns) {
  Maps maps;
  const double centreRow = (rows - 1.0) / 2;
  const double centreColumn = (columns - 1.0) / 2;
  const double largest = std::hypot(centreRow, centreColumn);
  for (std::uint32_t r = 0; r < rows; ++r) {
    for (std::uint32_t c = 0; c < columns; ++c) {
      const double radius = std::hypot(r - centreRow, c - centreColumn) / largest;
      const std::int32_t ring = std::min(static_cast<std::int32_t>(radius * kStatic), kStatic - 1);
      maps.statics.push_back(ring + 1);
      maps.dynamic.push_back(ring / kStaticEach + 1);
    }
  }
  return maps;
}

void write_instrument(H5File& file, const JobFacts& facts) {
  const std::string detector = "/measurement/instrument/detector/";
  file.int32(detector + "x_dimension", static_cast<std::int32_t>(facts.exchangeDimensions ? facts.rows : facts.columns));
  file.int32(detector + "y_dimension", static_cast<std::int32_t>(facts.exchangeDimensions ? facts.columns : facts.rows));
  for (const char* name : {"x_pixel_size", "y_pixel_size", "adu_per_photon", "exposure_time", "efficiency", "distance"}) {
    file.float32(detector + name, 1);
  }
  file.float32("/measurement/instrument/source_begin/beam_intensity_transmitted", 1);
  file.float32("/measurement/sample/thickness", 1);
}

}  // namespace

void write_job(const JobFacts& facts, const std::string& path) {
  H5File file(path);
  const Maps maps = rings(facts.rows, facts.columns);
  const std::vector<hsize_t> shape{facts.rows, facts.columns};
  write_instrument(file, facts);
  file.array<std::int32_t>("/xpcs/dqmap", H5T_NATIVE_INT32, shape, maps.dynamic);
  file.array<std::int32_t>("/xpcs/sqmap", H5T_NATIVE_INT32, shape, maps.statics);
  file.text("/xpcs/Version", "1.0");
  file.text("/xpcs/analysis_type", facts.twotime ? "Twotime" : "Multitau");
  file.text("/xpcs/compression", "ENABLED");
  file.text("/xpcs/input_file_local", facts.input);
  file.text("/xpcs/output_data", "/exchange");
  file.text("/xpcs/transposed", "DISABLED");
  file.text("/xpcs/flatfield_enabled", "DISABLED");
  file.int32("/xpcs/data_begin", 1);
  file.int32("/xpcs/data_begin_todo", 1);
  file.int32("/xpcs/data_end", static_cast<std::int32_t>(facts.frames));
  file.int32("/xpcs/data_end_todo", static_cast<std::int32_t>(facts.frames));
  file.int32("/xpcs/delays_per_level", static_cast<std::int32_t>(facts.delaysPerLevel));
  file.int32("/xpcs/dark_begin_todo", 0);
  file.int32("/xpcs/dark_end_todo", 0);
  file.float32("/xpcs/lld", 0);
  file.float32("/xpcs/sigma", 0);
  file.int64("/xpcs/stride_frames", 1);
  file.int64("/xpcs/avg_frames", 1);
  const auto window = static_cast<std::int32_t>(std::max<std::uint64_t>(facts.frames / 50, 1));
  file.int32("/xpcs/static_mean_window_size", window);
  file.int32("/xpcs/normalize_by_framesum", 0);
  file.int32("/xpcs/twotime2onetime_window_size", window);
  file.text("/xpcs/smoothing_method", "symmetric");
  file.text("/xpcs/smoothing_filter", "None");
  file.array<std::int64_t>("/xpcs/qphi_bin_to_process", H5T_NATIVE_INT64, {4, 1}, kTwotimeBins);
}

void write_qmap(std::uint32_t rows, std::uint32_t columns, const std::string& path) {
  H5File file(path);
  const Maps maps = rings(rows, columns);
  const std::vector<hsize_t> shape{rows, columns};
  const std::vector<std::int32_t> mask(maps.dynamic.size(), 1);
  file.array<std::int32_t>("/qmap/mask", H5T_NATIVE_INT32, shape, mask);
  file.array<std::int32_t>("/qmap/dynamic_roi_map", H5T_NATIVE_INT32, shape, maps.dynamic);
  file.array<std::int32_t>("/qmap/static_roi_map", H5T_NATIVE_INT32, shape, maps.statics);
  const std::pair<std::string, std::int32_t> partitions[] = {{"dynamic", kDynamic}, {"static", kStatic}};
  for (const auto& [name, bins] : partitions) {
    const auto n = static_cast<std::size_t>(bins);
    std::vector<std::int32_t> index(n);
    std::iota(index.begin(), index.end(), 0);
    std::vector<double> q(n);
    for (std::size_t j = 0; j < n; ++j) q[j] = (static_cast<double>(j) + 0.5) * 0.1 / static_cast<double>(n);
    const std::int64_t points[2] = {bins, 1};
    const double phi[1] = {0};
    file.array<std::int32_t>("/qmap/" + name + "_index_mapping", H5T_NATIVE_INT32, {n}, index);
    file.array<std::int64_t>("/qmap/" + name + "_num_pts", H5T_NATIVE_INT64, {2}, points);
    file.array<double>("/qmap/" + name + "_v_list_dim0", H5T_NATIVE_DOUBLE, {n}, q);
    file.array<double>("/qmap/" + name + "_v_list_dim1", H5T_NATIVE_DOUBLE, {1}, phi);
  }
  file.float64("/qmap/beam_center_x", (columns - 1.0) / 2);
  file.float64("/qmap/beam_center_y", (rows - 1.0) / 2);
  file.float64("/qmap/pixel_size", 7.5e-5);
  file.float64("/qmap/detector_distance", 5);
  file.float64("/qmap/energy", 10);
  file.texts("/qmap/map_names", {"q", "phi"});
  file.texts("/qmap/map_units", {"1/A", "deg"});
}

}  // namespace xpcs::bench
