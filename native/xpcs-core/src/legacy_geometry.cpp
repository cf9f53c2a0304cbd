// Legacy lists: dqlist (1, nd) and dphilist give the centre of every dynamic bin, phi running fastest; dnoq x dnophi
// is the grid (docs/job-file.md). Lengths are in mm there.
#include "legacy_geometry.hpp"

#include <algorithm>
#include <cmath>

namespace xpcs {
namespace {

constexpr double kMetrePerMillimetre = 1e-3;
const std::string kDetector = "/measurement/instrument/detector/";
const std::string kBeamX = "/measurement/instrument/acquisition/beam_center_x";
const std::string kBeamY = "/measurement/instrument/acquisition/beam_center_y";

/// Centres along q and phi of one kind of bin ('d' dynamic, 's' static).
struct Grid {
  std::vector<double> q, phi;
};

Grid read_grid(const h5::File& job, const std::string& entry, char kind) {
  const std::string prefix = entry + "/" + kind;
  const std::vector<double> q = job.doubles(prefix + "qlist");
  const auto phis = static_cast<std::size_t>(std::max(job.number(prefix + "nophi").value_or(1), 1.0));
  Grid grid;
  if (q.size() % phis != 0) throw Error(Code::invalid_argument, prefix + "qlist in " + job.path() + " is no multiple of " + prefix + "nophi");
  for (std::size_t i = 0; i < q.size(); i += phis) grid.q.push_back(q[i]);
  if (phis == 1) {
    grid.phi = {0.0};
  } else {
    const std::vector<double> phi = job.doubles(prefix + "philist");
    if (phi.size() < phis) throw Error(Code::invalid_argument, prefix + "philist in " + job.path() + " is shorter than " + prefix + "nophi");
    grid.phi.assign(phi.begin(), phi.begin() + static_cast<std::ptrdiff_t>(phis));
  }
  return grid;
}

std::int32_t largest(const std::vector<std::int32_t>& labels) { return labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end()); }

}  // namespace

LegacyTimes legacy_times(const h5::File& job) {
  return {job.number("/measurement/instrument/source_begin/energy"), job.number(kDetector + "exposure_period"), job.number(kDetector + "exposure_time"),
          job.text("/measurement/instrument/source_begin/datetime")};
}

void check_index_mappings(std::size_t dynamicMapped, std::size_t staticMapped, const Settings& settings, const std::string& file) {
  const auto check = [&](const char* kind, const std::vector<std::int32_t>& labels, std::size_t mapped) {
    if (static_cast<std::size_t>(std::max(largest(labels), 0)) == mapped) return;
    throw Error(Code::invalid_argument, std::string(kind) + " labels of " + file + " go up to " + std::to_string(largest(labels)) + ", its index mapping names " +
                                            std::to_string(mapped) + " bins; make the q-map again");
  };
  check("dynamic", settings.dqmap, dynamicMapped);
  check("static", settings.sqmap, staticMapped);
}

std::vector<std::string> missing_legacy_geometry(const h5::File& job, const std::string& entry, const Settings& settings) {
  std::vector<std::string> missing;
  for (const std::string& name : {entry + "/dqlist", entry + "/sqlist", kBeamX, kBeamY, kDetector + "x_pixel_size", kDetector + "distance"}) {
    if (!job.has(name)) missing.push_back(name + " (job file)");
  }
  if (missing.empty()) {
    check_index_mappings(job.doubles(entry + "/dqlist").size(), job.doubles(entry + "/sqlist").size(), settings, job.path());
  }
  return missing;
}

void write_legacy_qmap(h5::File& file, const h5::File& job, const std::string& entry, const Settings& settings) {
  const std::string group = "/xpcs/qmap/";
  const std::vector<hsize_t> image{settings.reader.height, settings.reader.width};
  std::vector<std::uint8_t> mask;
  for (std::size_t p = 0; p < settings.dqmap.size(); ++p) mask.push_back(settings.dqmap[p] > 0 && settings.sqmap[p] > 0 ? 1 : 0);
  file.write(group + "mask", image, mask, true);
  file.write(group + "dynamic_roi_map", image, settings.dqmap, true);
  file.write(group + "static_roi_map", image, settings.sqmap, true);
  for (const auto& [kind, name] : {std::pair('d', std::string("dynamic")), std::pair('s', std::string("static"))}) {
    const Grid grid = read_grid(job, entry, kind);
    const std::size_t bins = grid.q.size() * grid.phi.size();
    std::vector<std::int64_t> mapping(bins);
    for (std::size_t i = 0; i < bins; ++i) mapping[i] = static_cast<std::int64_t>(i);
    file.write(group + name + "_v_list_dim0", {grid.q.size()}, grid.q);
    file.write(group + name + "_v_list_dim1", {grid.phi.size()}, grid.phi);
    file.write(group + name + "_index_mapping", {bins}, mapping);
    file.write(group + name + "_num_pts", {2}, std::vector<std::int64_t>{static_cast<std::int64_t>(grid.q.size()), static_cast<std::int64_t>(grid.phi.size())});
  }
  const auto scalar = [&](const std::string& name, double value) { file.write(group + name, {}, std::vector<double>{value}); };
  scalar("beam_center_x", job.number(kBeamX).value());
  scalar("beam_center_y", job.number(kBeamY).value());
  scalar("pixel_size", job.number(kDetector + "x_pixel_size").value() * kMetrePerMillimetre);
  scalar("detector_distance", job.number(kDetector + "distance").value() * kMetrePerMillimetre);
  file.write_texts(group + "map_names", {"q", "phi"});
  file.write_texts(group + "map_units", {"Å⁻¹", "deg"});
}

}  // namespace xpcs
