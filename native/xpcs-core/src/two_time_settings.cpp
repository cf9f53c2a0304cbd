#include "two_time_settings.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "c2_writer.hpp"
#include "first_frames.hpp"

namespace xpcs {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// XPCS-Eigen knows two names, in any case.
Smoothing job_smoothing(const std::string& name, const std::string& where) {
  if (lower(name) == "symmetric") return Smoothing::symmetric;
  if (lower(name) == "staticmap") return Smoothing::static_map;
  throw Error(Code::invalid_argument, where + " is \"" + name + "\"; XPCS-Eigen's names are symmetric and StaticMap, --smoothing has all that there are");
}

std::vector<std::uint32_t> job_bins(const h5::File& job, const std::string& dataset, Settings& settings) {
  std::vector<std::uint32_t> bins;
  const std::int32_t largest = *std::max_element(settings.dqmap.begin(), settings.dqmap.end());
  std::string unknown;
  for (const std::int32_t label : job.integers(dataset)) {
    if (label >= 1 && label <= largest) {
      bins.push_back(static_cast<std::uint32_t>(label));
    } else {
      unknown += (unknown.empty() ? "" : ", ") + std::to_string(label);
    }
  }
  if (!unknown.empty()) settings.warnings.push_back(dataset + " names q bins that the map does not have; they are passed over: " + unknown);
  if (bins.empty()) throw Error(Code::invalid_argument, dataset + " in " + job.path() + " names no q bin of the map; --q-bins does");
  return bins;
}

void read_job(const Request& request, Settings& settings) {
  const h5::File job = h5::File::open(*request.job);
  const std::string entry = request.entry.value_or("/xpcs") + "/";
  TwoTimeSettings& set = settings.twoTime;
  if (!request.smoothing) {
    const auto name = job.text(entry + "smoothing_method");
    if (!name) throw Error(Code::invalid_argument, "the job file " + job.path() + " lacks " + entry + "smoothing_method; pass --smoothing");
    set.smoothing = job_smoothing(*name, entry + "smoothing_method");
  }
  // The filter belongs to the method that the job file names.
  if (!request.smoothing && lower(job.text(entry + "smoothing_filter").value_or("")) == "average") set.filter = SmoothingFilter::average;
  if (!request.qBins && job.has(entry + "qphi_bin_to_process")) set.bins = job_bins(job, entry + "qphi_bin_to_process", settings);
  const double window = job.number(entry + "twotime2onetime_window_size").value_or(1);
  if (!request.window && !(window >= 1 && window <= 4294967295.0 && window == std::floor(window))) {
    throw Error(Code::invalid_argument, entry + "twotime2onetime_window_size in " + job.path() + " must be a whole number from 1 on; --window overrides it");
  }
  if (!request.window) set.window = static_cast<std::uint32_t>(window);
}

/// Frames with larger counts are kept as lists of photons (two_time_store.hpp).
constexpr std::int64_t kByteCount = 127;

std::uint64_t first_number(const char* path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? value : 0;
}

std::string gigabytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes < 1e9 ? "%.0f MB" : "%.1f GB", bytes < 1e9 ? std::ceil(bytes / 1e6) : bytes / 1e9);
  return text;
}

}  // namespace

std::uint64_t memory_available() {
  std::uint64_t available = std::numeric_limits<std::uint64_t>::max();
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t value = 0;
  std::string unit;
  while (file >> name >> value) {
    std::getline(file, unit);
    if (name == "MemAvailable:") available = value * 1024;
  }
  const std::uint64_t most = first_number("/sys/fs/cgroup/memory.max");
  const std::uint64_t used = first_number("/sys/fs/cgroup/memory.current");
  if (most > used) available = std::min(available, most - used);
  return available;
}

void resolve_two_time(const Request& request, Settings& settings) {
  TwoTimeSettings& set = settings.twoTime;
  if (request.job) read_job(request, settings);
  if (request.compat == Compat::boost_corr) set.smoothing = Smoothing::sqmap;
  if (request.smoothing) set.smoothing = *request.smoothing;
  if (request.smoothingFilter) set.filter = *request.smoothingFilter;
  if (request.window) set.window = *request.window;
  if (request.c2) set.c2 = *request.c2;
  if (request.compression) set.compression = *request.compression;
  if (request.qBins) set.bins = *request.qBins;
  if (set.window == 0) throw Error(Code::invalid_argument, "--window starts at 1 frame");
  if (!set.matrix() && (request.window || request.compression)) {
    throw Error(Code::invalid_argument, std::string(request.window ? "--window" : "--compression") + " is about the C2 matrix, which --c2 multitau does not make; leave it out, or ask for --c2 both");
  }
  std::sort(set.bins.begin(), set.bins.end());
  set.bins.erase(std::unique(set.bins.begin(), set.bins.end()), set.bins.end());
  set.memoryBytes = request.memoryGb ? static_cast<std::uint64_t>(*request.memoryGb * 1e9) : memory_available() / 5 * 4;
}

void refuse_two_time_options(const Request& request) {
  const char* given = request.c2                  ? "--c2"
                      : request.qBins             ? "--q-bins"
                      : request.smoothing         ? "--smoothing"
                      : request.smoothingFilter   ? "--smoothing-filter"
                      : request.window            ? "--window"
                      : request.compression       ? "--compression"
                                                  : nullptr;
  if (given != nullptr) throw Error(Code::invalid_argument, std::string(given) + " is about a two-time analysis, which was not asked for; add --type twotime or --type both");
}

std::uint64_t check_two_time_memory(const Settings& settings, const Partition& partition, const TwoTimeAhead& ahead, const Control& control) {
  const std::uint64_t frames = ahead.frames;
  if (frames == 0) return 0;
  const TwoTimeSettings& set = settings.twoTime;
  std::uint64_t pixels = 0;
  for (const std::uint32_t label : set.bins) pixels += label <= partition.dynamicBins && label > 0 ? partition.pixelsOfDynamic[label - 1] : 0;
  const std::uint64_t cells = frames * pixels;
  const std::uint64_t fileFrames = frames * settings.average;
  // Whole frames are kept as bytes, values as doubles; lists of photons, also of frames with large counts, take up to 20 bytes each.
  const bool real = !settings.flatfield.empty() || settings.darkFrames > 0;
  const bool rows = ahead.whole && ahead.photons.largest * settings.average <= kByteCount / 2;
  const std::uint64_t events = rows ? cells / (real ? 2 : 8) : std::min(cells, ahead.photons.selected(fileFrames));
  std::uint64_t bytes = two_time_bytes({frames, events, pixels, set.bins.size(), real, settings.threads, set.matrix() ? C2Writer::kChunk : 0, set.blocks() ? settings.dpl : 0});
  bytes += 16ull * partition.pixels() + FirstFrames::bytes(ahead.firstFrames, frames, partition.pixels());
  if (settings.type == AnalysisType::both) {
    bytes += 8 * (ahead.whole ? frames * partition.pixelOfRank.size() : ahead.photons.all(fileFrames));
  } else {
    bytes += settings.staticWindow == 0 ? 8ull * frames * partition.staticBins : 0;
  }
  const double file = 2.0 * static_cast<double>(frames) * static_cast<double>(frames) * static_cast<double>(set.bins.size());
  const std::string needs = "two-time of " + std::to_string(frames) + " frames, " + std::to_string(set.bins.size()) + " q bins with " + std::to_string(pixels) +
                            " pixels: needs up to " + gigabytes(static_cast<double>(bytes)) + " of memory beside the reader's buffers" + (set.matrix() ? ", C2 up to " + gigabytes(file) + " of the file" : std::string());
  if (bytes > set.memoryBytes) {
    throw Error(Code::out_of_memory, needs + ", the limit is " + gigabytes(static_cast<double>(set.memoryBytes)) +
                                         "; choose fewer q bins (--q-bins), fewer frames (--average, --begin, --end)" + (set.matrix() ? ", --c2 multitau," : ",") + " or raise --memory-gb");
  }
  control.tell(needs);
  return bytes;
}

}  // namespace xpcs
