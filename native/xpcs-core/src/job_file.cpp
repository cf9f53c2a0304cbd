// The legacy job file: names and meaning as XPCS-Eigen reads them (docs/job-file.md). Numbers may be stored in any numeric
// type, scalar or (1,1).
#include "job_file.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace xpcs {
namespace {

class JobReader {
 public:
  JobReader(const h5::File& file, std::string entry) : file_(file), entry_(std::move(entry)) {}

  [[nodiscard]] std::string path(const std::string& name) const { return entry_ + "/" + name; }

  [[nodiscard]] double required(const std::string& dataset) const {
    const auto value = file_.number(dataset);
    if (!value) throw Error(Code::invalid_argument, "the job file " + file_.path() + " lacks " + dataset);
    return *value;
  }

  /// A whole number within [low, high].
  [[nodiscard]] std::uint64_t whole(const std::string& dataset, double value, double low, double high) const {
    if (!(value >= low && value <= high) || value != std::floor(value)) {
      throw Error(Code::invalid_argument, dataset + " in " + file_.path() + " is " + std::to_string(value) + "; it must be a whole number from " +
                                              std::to_string(static_cast<std::int64_t>(low)) + " to " + std::to_string(static_cast<std::int64_t>(high)));
    }
    return static_cast<std::uint64_t>(value);
  }
  [[nodiscard]] std::uint64_t required_whole(const std::string& dataset, double low, double high) const { return whole(dataset, required(dataset), low, high); }
  [[nodiscard]] std::uint64_t optional_whole(const std::string& dataset, double otherwise, double low, double high) const {
    return whole(dataset, file_.number(dataset).value_or(otherwise), low, high);
  }
  [[nodiscard]] bool enabled(const std::string& dataset) const { return file_.text(dataset).value_or("") == "ENABLED"; }

 private:
  const h5::File& file_;
  std::string entry_;
};

constexpr double kFramesMax = 4294967295.0;
const std::string kDetector = "/measurement/instrument/detector/";

std::vector<std::int32_t> transposed(const std::vector<std::int32_t>& map, std::uint32_t rows, std::uint32_t columns) {
  std::vector<std::int32_t> out(map.size());
  for (std::uint32_t r = 0; r < rows; ++r) {
    for (std::uint32_t c = 0; c < columns; ++c) out[std::size_t{c} * rows + r] = map[std::size_t{r} * columns + c];
  }
  return out;
}

void read_maps(const h5::File& job, const JobReader& reader, Settings& settings) {
  const auto width = static_cast<std::uint32_t>(reader.required_whole(kDetector + "x_dimension", 1, 65535));
  const auto height = static_cast<std::uint32_t>(reader.required_whole(kDetector + "y_dimension", 1, 65535));
  const std::uint64_t n = std::uint64_t{height} * width;
  for (auto [name, map] : {std::pair("dqmap", &settings.dqmap), std::pair("sqmap", &settings.sqmap)}) {
    std::uint32_t rows = 0;
    std::uint32_t columns = 0;
    *map = read_map(job, reader.path(name), rows, columns);
    // XPCS-Eigen takes the map's elements in storage order, whatever its two extents are.
    if (map->size() != n) {
      throw Error(Code::invalid_argument, reader.path(name) + " is " + std::to_string(rows) + " x " + std::to_string(columns) + ", the detector of the job file is " +
                                              std::to_string(height) + " x " + std::to_string(width) + " (y_dimension x x_dimension)");
    }
  }
  settings.reader.height = height;
  settings.reader.width = width;
  if (reader.enabled(reader.path("transposed"))) {
    settings.dqmap = transposed(settings.dqmap, height, width);
    settings.sqmap = transposed(settings.sqmap, height, width);
    std::swap(settings.reader.height, settings.reader.width);
  }
}

/// Settings of the legacy schema that XPCS-Eigen passes over: under its rules they stay without effect, otherwise they
/// are applied or refused.
void read_further_settings(const h5::File& job, const JobReader& reader, bool compat, Settings& settings) {
  const auto refuse = [&](const std::string& dataset, const std::string& what) {
    if (compat) {
      settings.warnings.push_back(dataset + " asks for " + what + ", which XPCS-Eigen's rules pass over");
      return;
    }
    throw Error(Code::unsupported, dataset + " in " + job.path() + " asks for " + what + ", which is not supported yet; --compat xpcs-eigen passes over it");
  };
  if (reader.enabled(reader.path("kinetics"))) refuse(reader.path("kinetics"), "kinetics mode");
  if (job.number(reader.path("normalize_by_smoothed_img")).value_or(0) > 0) refuse(reader.path("normalize_by_smoothed_img"), "normalisation by a smoothed image");
  const std::uint64_t partials = reader.optional_whole(reader.path("num_g2partials"), 0, 0, 1e9);
  if (partials > 1 && compat) refuse(reader.path("num_g2partials"), "partial g2");
  if (partials > 1 && !compat) settings.partials = static_cast<std::uint32_t>(partials);
  for (const char* name : {"swbinX", "swbinY"}) {
    if (job.number(reader.path(name)).value_or(1) > 1) refuse(reader.path(name), "software binning");
  }
  if (!reader.enabled(reader.path("blemish_enabled"))) return;
  if (compat || !job.has(reader.path("mask"))) {
    refuse(reader.path("blemish_enabled"), "a blemish map");
    return;
  }
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  const auto mask = read_map(job, reader.path("mask"), rows, columns);
  if (mask.size() != settings.dqmap.size()) throw Error(Code::invalid_argument, reader.path("mask") + " has another size than the q-maps");
  for (std::size_t p = 0; p < mask.size(); ++p) {
    if (mask[p] == 0) settings.dqmap[p] = 0;
  }
}

float norm_factor(const h5::File& job) {
  const auto value = [&](const std::string& dataset) { return static_cast<float>(job.number(dataset).value_or(0)); };
  const float distance = value(kDetector + "distance");
  return 1.0F / value(kDetector + "efficiency") / value(kDetector + "adu_per_photon") / value(kDetector + "exposure_time") /
         (value(kDetector + "x_pixel_size") / distance * value(kDetector + "y_pixel_size") / distance) /
         value("/measurement/instrument/source_begin/beam_intensity_transmitted") / value("/measurement/sample/thickness");
}

void read_flatfield(const h5::File& job, Settings& settings) {
  settings.flatfield = job.doubles(kDetector + "flatfield");
  const auto shape = job.shape(kDetector + "flatfield");
  const std::vector<hsize_t> own{settings.reader.height, settings.reader.width};
  const std::vector<hsize_t> exchanged{settings.reader.width, settings.reader.height};  // of transposed maps
  if (shape != own && shape != exchanged) {
    throw Error(Code::invalid_argument, kDetector + "flatfield in " + job.path() + " has " + std::to_string(settings.flatfield.size()) + " values in another shape than the detector's " +
                                            std::to_string(settings.reader.height) + " x " + std::to_string(settings.reader.width));
  }
  for (const double factor : settings.flatfield) {
    if (!std::isfinite(factor)) throw Error(Code::invalid_argument, kDetector + "flatfield in " + job.path() + " holds a value that is not finite; mask that pixel");
  }
}

}  // namespace

AnalysisType analysis_type(const std::string& text) {
  if (text == "Twotime") return AnalysisType::twotime;
  if (text == "Both") return AnalysisType::both;
  return AnalysisType::multitau;
}

std::vector<std::int32_t> read_map(const h5::File& file, const std::string& dataset, std::uint32_t& rows, std::uint32_t& columns) {
  const auto shape = file.shape(dataset);
  if (shape.size() != 2 || shape[0] == 0 || shape[1] == 0 || shape[0] > 65535 || shape[1] > 65535) {
    throw Error(Code::invalid_argument, dataset + " in " + file.path() + " must be a map of rows x columns");
  }
  rows = static_cast<std::uint32_t>(shape[0]);
  columns = static_cast<std::uint32_t>(shape[1]);
  return file.integers(dataset);
}

void read_job_file(const h5::File& job, const std::string& entry, const Request& request, Settings& settings) {
  const JobReader reader(job, entry);
  if (!job.has(entry)) throw Error(Code::invalid_argument, job.path() + " has no group " + entry + ": is it a job file? --entry names another group");
  if (!request.input) {
    const auto named = job.text(reader.path("input_file_local"));
    if (!named || named->empty()) throw Error(Code::invalid_argument, "the job file " + job.path() + " names no input (" + reader.path("input_file_local") + "); pass --input");
    const std::filesystem::path path(*named);
    settings.input = (path.is_absolute() ? path : std::filesystem::path(job.path()).parent_path() / path).string();
  }
  settings.type = analysis_type(job.text(reader.path("analysis_type")).value_or(""));
  read_maps(job, reader, settings);
  settings.begin = reader.required_whole(reader.path("data_begin_todo"), 1, kFramesMax);
  settings.end = reader.required_whole(reader.path("data_end_todo"), 1, kFramesMax);
  settings.dpl = static_cast<std::uint32_t>(reader.required_whole(reader.path("delays_per_level"), 1, 512));
  settings.stride = static_cast<std::uint32_t>(reader.optional_whole(reader.path("stride_frames"), 1, 1, 1e9));
  settings.average = static_cast<std::uint32_t>(reader.optional_whole(reader.path("avg_frames"), 1, 1, 1e9));
  settings.staticWindow = static_cast<std::uint32_t>(reader.optional_whole(reader.path("static_mean_window_size"), 1, 1, kFramesMax));
  settings.normalizeByFrameSum = reader.optional_whole(reader.path("normalize_by_framesum"), 0, 0, 1) == 1;
  const std::uint64_t darkBegin = reader.optional_whole(reader.path("dark_begin_todo"), 0, 0, kFramesMax);
  const std::uint64_t darkEnd = reader.optional_whole(reader.path("dark_end_todo"), 0, 0, kFramesMax);
  if (darkEnd != 0 && darkEnd != darkBegin) {
    if (darkEnd < darkBegin) throw Error(Code::invalid_argument, "the dark range " + std::to_string(darkBegin) + " to " + std::to_string(darkEnd) + " of " + job.path() + " is empty");
    settings.darkFrames = darkEnd - darkBegin + 1;
    settings.lld = static_cast<float>(job.number(reader.path("lld")).value_or(0));
    settings.sigma = static_cast<float>(job.number(reader.path("sigma")).value_or(0));
    if (!std::isfinite(settings.lld) || !std::isfinite(settings.sigma)) throw Error(Code::invalid_argument, reader.path("lld") + " and " + reader.path("sigma") + " in " + job.path() + " must be finite");
  }
  if (reader.enabled(reader.path("flatfield_enabled"))) read_flatfield(job, settings);
  read_further_settings(job, reader, request.compat == Compat::xpcs_eigen, settings);
  settings.normFactor = norm_factor(job);
  settings.resultGroup = job.text(reader.path("output_data")).value_or("/exchange");
}

void read_qmap_file(const h5::File& qmap, Settings& settings) {
  if (!qmap.has("/qmap/dynamic_roi_map")) {
    throw Error(Code::invalid_argument, qmap.path() + " has no /qmap/dynamic_roi_map: is it a q-map of pySimpleMask? (a legacy job file goes with --job)");
  }
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  settings.dqmap = read_map(qmap, "/qmap/dynamic_roi_map", settings.reader.height, settings.reader.width);
  settings.sqmap = read_map(qmap, "/qmap/static_roi_map", rows, columns);
  if (rows != settings.reader.height || columns != settings.reader.width) {
    throw Error(Code::invalid_argument, "the dynamic and static maps of " + qmap.path() + " have different shapes");
  }
  if (!qmap.has("/qmap/mask")) return;
  const auto mask = read_map(qmap, "/qmap/mask", rows, columns);
  if (mask.size() != settings.dqmap.size()) throw Error(Code::invalid_argument, "/qmap/mask of " + qmap.path() + " has another shape than the maps");
  for (std::size_t p = 0; p < mask.size(); ++p) {
    if (mask[p] == 0) settings.dqmap[p] = 0;
  }
}

}  // namespace xpcs
