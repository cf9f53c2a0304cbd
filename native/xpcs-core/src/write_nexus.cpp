// The NeXus layout: what pyXpcsViewer requires, with the names, types and shapes that boost_corr writes
// (docs/results.md). Geometry comes from the q-map file; the legacy job file's geometry is turned into the same group by
// legacy_geometry.cpp.
#include <cmath>

#include "legacy_geometry.hpp"
#include "moments_file.hpp"
#include "result_file.hpp"
#include "time_text.hpp"

namespace xpcs {
namespace {

const std::string kIncidentEnergy = "/entry/instrument/incident_beam/incident_energy";
const std::string kFrameTime = "/entry/instrument/detector_1/frame_time";
const std::string kCountTime = "/entry/instrument/detector_1/count_time";
const std::string kStartTime = "/entry/start_time";

constexpr const char* kQmapRequired[] = {
    "mask", "dynamic_roi_map", "static_roi_map", "dynamic_v_list_dim0", "dynamic_v_list_dim1", "static_v_list_dim0", "static_v_list_dim1",
    "beam_center_x", "beam_center_y", "pixel_size", "detector_distance", "dynamic_index_mapping", "static_index_mapping",
    "dynamic_num_pts", "static_num_pts", "map_names", "map_units"};

struct EntryFacts {
  std::optional<double> energyKeV, frameTimeS, countTimeS;
  std::optional<std::string> startTime;
};

/// What /entry will say, from the metadata file, the request, the q-map and the job file, in this order.
EntryFacts entry_facts(const Request& request) {
  EntryFacts facts;
  if (request.metadata) {
    const h5::File metadata = h5::File::open(*request.metadata);
    if (!metadata.has("/entry")) throw Error(Code::invalid_argument, *request.metadata + " has no group /entry: is it a metadata file (NAME_metadata.hdf)?");
    facts = {metadata.number(kIncidentEnergy), metadata.number(kFrameTime), metadata.number(kCountTime), metadata.text(kStartTime)};
  }
  if (request.frameTimeS) facts.frameTimeS = request.frameTimeS;
  if (!facts.energyKeV && request.qmap) facts.energyKeV = h5::File::open(*request.qmap).number("/qmap/energy");
  if (request.job) {
    const LegacyTimes legacy = legacy_times(h5::File::open(*request.job));
    if (!facts.energyKeV) facts.energyKeV = legacy.energyKeV;
    if (!facts.frameTimeS) facts.frameTimeS = legacy.frameTimeS;
    if (!facts.countTimeS) facts.countTimeS = legacy.countTimeS;
    if (!facts.startTime) facts.startTime = legacy.startTime;
  }
  return facts;
}

void write_entry(h5::File& file, const Outcome& outcome) {
  if (outcome.request.metadata) file.copy_from(h5::File::open(*outcome.request.metadata), "/entry", "/entry");
  EntryFacts facts = entry_facts(outcome.request);
  const auto put = [&](const std::string& name, double value) {
    if (!file.has(name)) file.write(name, {}, std::vector<double>{value});
    else if (file.number(name) != value) file.overwrite_number(name, value);
  };
  put(kIncidentEnergy, facts.energyKeV.value());
  put(kFrameTime, facts.frameTimeS.value());
  // Detectors of this kind count through the whole frame; a metadata file that says otherwise has been taken above.
  put(kCountTime, facts.countTimeS.value_or(*facts.frameTimeS));
  if (!facts.startTime) facts.startTime = outcome.request.startTime;
  if (!file.has(kStartTime)) file.write_text(kStartTime, facts.startTime.value_or(modified_time_text(outcome.settings.input)));
}

/// FNV-1a over the maps: a name for a q-map that has none, because the viewer caches q-maps by it.
std::string map_hash(const Settings& settings) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const auto* map : {&settings.dqmap, &settings.sqmap}) {
    for (const std::int32_t label : *map) {
      for (int byte = 0; byte < 4; ++byte) hash = (hash ^ (static_cast<std::uint32_t>(label) >> (8 * byte) & 0xFF)) * 1099511628211ULL;
    }
  }
  char text[32];
  std::snprintf(text, sizeof text, "fnv1a-%016llx", static_cast<unsigned long long>(hash));
  return text;
}

void write_qmap(h5::File& file, const Outcome& outcome) {
  if (outcome.request.qmap) {
    file.copy_from(h5::File::open(*outcome.request.qmap), "/qmap", "/xpcs/qmap");
  } else {
    write_legacy_qmap(file, h5::File::open(*outcome.request.job), outcome.request.entry.value_or("/xpcs"), outcome.settings);
  }
  if (!file.text_attribute("/xpcs/qmap", "hash")) file.write_attribute("/xpcs/qmap", "hash", map_hash(outcome.settings));
}

/// A lag without a value is written as 0 with error 0, as boost_corr does: the viewer's fits cannot take NaN.
std::vector<float> finite_floats(const std::vector<double>& values) {
  std::vector<float> out;
  out.reserve(values.size());
  for (const double value : values) out.push_back(std::isfinite(value) ? static_cast<float>(value) : 0.0F);
  return out;
}

/// Where pyXpcsViewer looks for them: NaN where g2 has no value, error 0 where it has none, labelled by the number of frames so far.
void write_partials(h5::File& file, const std::string& group, const PartialG2& partials, const std::vector<hsize_t>& shape) {
  std::vector<double> labels;
  for (std::uint64_t k = 1; k <= shape[0]; ++k) labels.push_back(static_cast<double>(k * partials.windowFrames));
  file.write(group + "normalized_g2_partial", shape, floats(partials.g2));
  file.write(group + "normalized_g2_partial_err", shape, finite_floats(partials.error));
  file.write(group + "normalized_g2_partial_labels", {shape[0]}, labels);
  file.write(group + "normalized_g2_partial_frames", {shape[0], 2}, partial_frames(partials, shape[0]));
}

void write_multitau(h5::File& file, const Outcome& outcome) {
  const auto& [request, settings, part, result, measured] = outcome;
  const hsize_t D = result.delays.size();
  const hsize_t Q = part.dynamicBins;
  std::vector<std::int64_t> delays;
  for (const Delay& delay : result.delays) delays.push_back(static_cast<std::int64_t>(delay.frames));
  const std::string group = "/xpcs/multitau/";
  file.write(group + "delay_list", {D}, delays);
  file.write(group + "normalized_g2", {D, Q}, finite_floats(result.g2));
  file.write(group + "normalized_g2_err", {D, Q}, finite_floats(standard_errors(settings, part, result)));
  file.write(group + "pairs", {D, Q}, result.moments.pairs);
  const auto integer = [&](const std::string& name, std::uint64_t value) {
    file.write(group + "config/" + name, {}, std::vector<std::int64_t>{static_cast<std::int64_t>(value)});
  };
  integer("stride_frame", settings.stride);
  integer("avg_frame", settings.average);
  integer("begin_frame", settings.begin);
  integer("end_frame", settings.begin + measured.framesRead - 1);
  integer("delays_per_level", settings.dpl);
  file.write_text(group + "config/analysis_type", "Multitau");
  file.write_text(group + "config/errors", errors_name(settings.errors));
  file.write_text(group + "config/averaging", averaging_name(settings.averaging));
  if (measured.partials.windowFrames > 0) write_partials(file, group, measured.partials, {settings.partials, D, Q});
  if (!request.g2out) return;
  // Interleaved (delay, 3, row, column); each matrix is one chunk.
  const std::size_t n = part.pixels();
  std::vector<float> all(3 * D * n);
  for (std::size_t d = 0; d < D; ++d) {
    const std::vector<float>* sources[] = {&result.perPixelG2, &result.perPixelIP, &result.perPixelIF};
    for (std::size_t k = 0; k < 3; ++k) {
      const auto from = sources[k]->begin() + static_cast<std::ptrdiff_t>(d * n);
      std::copy(from, from + static_cast<std::ptrdiff_t>(n), all.begin() + static_cast<std::ptrdiff_t>((3 * d + k) * n));
    }
  }
  file.write(group + "unnormalized_G2", {D, 3, part.height, part.width}, all, true);
}

void write_static(h5::File& file, const Outcome& outcome) {
  const auto& [request, settings, part, result, measured] = outcome;
  const hsize_t S = part.staticBins;
  file.write("/xpcs/temporal_mean/scattering_2d", {1, part.height, part.width}, floats(result.pixelMean), true);
  file.write("/xpcs/temporal_mean/scattering_1d", {1, S}, finite_floats(result.partitionMeanTotal));
  // A series shorter than one window is its own segment.
  const auto& segments = result.partitionMeanPartial.empty() ? result.partitionMeanTotal : result.partitionMeanPartial;
  file.write("/xpcs/temporal_mean/scattering_1d_segments", {segments.size() / S, S}, finite_floats(segments));
  // In a long stream a value stands for several frames, from the first of them on.
  const std::size_t rows = result.frameMean.size();
  std::vector<float> intensity(2 * rows);
  const double perValidPixel = static_cast<double>(part.pixels()) / static_cast<double>(part.pixelOfRank.size());
  for (std::size_t i = 0; i < rows; ++i) {
    intensity[i] = static_cast<float>(i * result.framesPerMean);
    intensity[rows + i] = static_cast<float>(result.frameMean[i] * perValidPixel);
  }
  file.write("/xpcs/spatial_mean/intensity_vs_time", {2, rows}, intensity);
  file.write_text("/xpcs/rawdata_path", settings.input);
}

}  // namespace

void check_nexus_inputs(const Request& request, const Settings& settings) {
  std::vector<std::string> missing;
  if (request.qmap) {
    const h5::File qmap = h5::File::open(*request.qmap);
    for (const char* name : kQmapRequired) {
      if (!qmap.has(std::string("/qmap/") + name)) missing.push_back(std::string("/qmap/") + name + " (q-map)");
    }
    if (missing.empty()) check_index_mappings(qmap.integers("/qmap/dynamic_index_mapping").size(), qmap.integers("/qmap/static_index_mapping").size(), settings, *request.qmap);
  } else {
    missing = missing_legacy_geometry(h5::File::open(*request.job), request.entry.value_or("/xpcs"), settings);
  }
  const EntryFacts facts = entry_facts(request);
  if (!facts.energyKeV) missing.emplace_back("the photon energy (metadata file, q-map or job file)");
  if (!facts.frameTimeS) missing.emplace_back("the frame time (--metadata FILE or --frame-time S)");
  if (missing.empty()) return;
  std::string list;
  for (const std::string& item : missing) list += (list.empty() ? "" : ", ") + item;
  throw Error(Code::invalid_argument, "the NeXus layout lacks: " + list + (request.qmap ? "" : "; --qmap gives the geometry, or use --layout exchange"));
}

void write_nexus(h5::File& file, const Outcome& outcome) {
  write_entry(file, outcome);
  write_qmap(file, outcome);
  if (outcome.settings.type != AnalysisType::twotime) write_multitau(file, outcome);
  write_static(file, outcome);
  if (outcome.measured.leverage) write_leverage(file, outcome);
  if (outcome.settings.type != AnalysisType::twotime) write_moments(file, "/moments", outcome.result.moments);
}

}  // namespace xpcs
